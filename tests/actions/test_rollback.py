"""Going back."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy, standing_now
from infercli.actions.rollback import rollback, way
from infercli.errors import InputError
from tests.actions.test_deploy import applications, weights
from tests.core.builders import engine

GOOD, BAD = engine("none").app, engine("int8").app


def go_back(world, to=None):
    return rollback("chat", world, to=to, who="a test", reason=None, infercli_version="0", timeout_s=600)


def test_a_warm_engine_takes_all_requests_in_one_put_and_the_bad_one_is_dropped_in_the_next(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    world.platform.puts.clear()
    how, entry = go_back(world)
    assert how.is_shift
    routes = [{r["app"]: r["weight"] for r in world.platform._table(p)["routes"]} for p in world.platform.puts]
    assert routes == [{GOOD: 100, BAD: 0}, {GOOD: 100}]
    assert entry.revision.points_at == 1
    assert entry.progress.outcome == "good"


def test_a_warm_rollback_takes_no_longer_than_the_front_needs_to_flip(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    began = world.clock.time
    go_back(world)
    assert world.clock.time - began < 1


def test_an_engine_that_was_dropped_is_started_again_and_verified_before_requests_move(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8", drop_previous=True), world)
    assert applications(world) == {"front", BAD}
    assert not way("chat", world.store.entries("chat"), None, standing_now(world, world.store.entries("chat")))[
        0
    ].is_shift
    world.platform.puts.clear()
    go_back(world)
    first = {r["app"]: r["weight"] for r in world.platform._table(world.platform.puts[0])["routes"]}
    assert first == {BAD: 100, GOOD: 0}
    assert weights(world) == {GOOD: 100}


def test_nothing_to_go_back_to_is_said_and_nothing_changed(world, request_for):
    deploy(request_for(), world)
    with pytest.raises(InputError, match="no revision of `chat` was good before"):
        go_back(world)


def test_an_unknown_release_or_revision_is_an_input_error(world, request_for):
    with pytest.raises(InputError, match="no release"):
        go_back(world)
    deploy(request_for(), world)
    with pytest.raises(InputError, match="no revision 7"):
        go_back(world, to=7)


def test_a_failed_revision_cannot_be_the_aim(world, request_for):
    deploy(request_for(), world)
    world.platform.fail_start[BAD] = "A replica failed to start"
    with pytest.raises(Exception, match="failed"):
        deploy(request_for("int8"), world)
    with pytest.raises(InputError, match="never good"):
        go_back(world, to=2)


def test_rolling_back_in_the_middle_of_a_canary_gives_everything_to_the_old_engine(world, request_for):
    deploy(request_for(), world)
    world.platform.flip_s = 0.3
    shifts = []

    def stop_after_the_first_share(platform):
        shifts.append(1)
        if len(shifts) == 3:
            platform.on_put = None
            raise KeyboardInterrupt

    world.platform.on_put = stop_after_the_first_share
    with pytest.raises(Exception, match="interrupted"):
        deploy(request_for("int8", weights=(5, 25, 100)), world)
    go_back(world)
    assert weights(world) == {GOOD: 100}


def test_a_rollback_that_points_at_a_rollback_brings_back_the_same_engine(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    go_back(world)
    deploy(request_for("awq"), world)
    how, _ = go_back(world)
    assert how.app == GOOD
