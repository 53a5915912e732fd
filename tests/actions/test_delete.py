"""Deleting."""

from __future__ import annotations

import pytest

from infercli.actions.delete import delete
from infercli.actions.deploy import deploy
from infercli.errors import ReleaseBusy
from tests.actions.test_deploy import GOOD, applications


def test_a_release_that_somebody_changes_is_not_deleted(world, request_for):
    deploy(request_for(), world)
    with world.store.changing("chat", "deploy"), pytest.raises(ReleaseBusy, match="deploy since"):
        delete("chat", world)
    assert applications(world) == {"front", GOOD}
    delete("chat", world)
    assert world.platform.config() is None
    assert not world.store.entries("chat")
