"""Deleting."""

from __future__ import annotations

import pytest

from infercli.actions.delete import delete
from infercli.actions.deploy import deploy
from infercli.actions.rollback import rollback
from infercli.errors import InputError, ReleaseBusy
from tests.actions.looking import GOOD, applications


def test_a_release_that_somebody_changes_is_not_deleted(world, request_for):
    deploy(request_for(), world)
    with world.store.changing("chat", "deploy"), pytest.raises(ReleaseBusy, match="deploy since"):
        delete("chat", world)
    assert applications(world) == {"front", GOOD}
    delete("chat", world)
    assert world.platform.config() is None
    assert not world.store.entries("chat")


def test_a_history_that_is_to_be_kept_stays_when_the_engines_go(world, request_for):
    deploy(request_for(), world)
    delete("chat", world, keep_history=True)
    assert world.platform.config() is None
    assert [e.number for e in world.store.entries("chat")] == [1]


def test_what_is_left_of_a_release_whose_history_is_gone_is_deleted_and_nothing_else(world, request_for):
    deploy(request_for(), world)
    world.store.forget("chat")
    delete("chat", world)
    assert world.platform.config() is None
    with pytest.raises(InputError, match="there is no release `chat`"):
        delete("chat", world)


def go_back_breaking(world):
    rollback(
        "chat", world, to=None, who="a test", reason=None, infercli_version="0", timeout_s=600, tell=lambda *_: None,
        break_lock=True,
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["deploy", "rollback", "delete"])
def test_whoever_is_told_to_break_a_lock_asks_the_store_for_that_and_says_how_long_it_waits(
    world, request_for, monkeypatch, verb
):
    for quantization in ("none", "int8"):
        deploy(request_for(quantization), world)
    asked, changing = [], world.store.changing

    def changing_noted(name, operation, *, break_lock=False, patience_s=0.0):
        asked.append((operation, break_lock, patience_s))
        return changing(name, operation, break_lock=break_lock)

    monkeypatch.setattr(world.store, "changing", changing_noted)
    {
        "deploy": lambda: deploy(request_for("awq", break_lock=True), world),
        "rollback": lambda: go_back_breaking(world),
        "delete": lambda: delete("chat", world, break_lock=True),
    }[verb]()
    assert asked == [
        (verb, True, 600.0)
    ]  # of the request here, of the rollback there, and as long as pods are waited for
