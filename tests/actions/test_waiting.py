"""The rules by which a step is done or has failed, look by look."""

from __future__ import annotations

import json

import pytest

from infercli.actions.waiting import Deadline, cause_of, runs, until_routed, until_running
from infercli.core.observed import Answer, Application, Applications
from infercli.errors import DeployFailed
from tests.core.builders import engine

ENGINE = engine("none").app


def test_a_failure_that_may_be_of_before_is_believed_once_it_has_lasted(world):
    platform, clock = world.platform, world.clock
    running, failing = Application("RUNNING", "", ()), Application("DEPLOYING", "", ("A replica failed to start",))
    platform.settle_s, lasts_s = 4.0, 2.0

    def applications():
        return Applications(True, None, {"front": running, ENGINE: failing if clock.time < lasts_s else running})

    platform.applications = applications
    until_running(platform, ["front", ENGINE], ENGINE, Deadline(clock, 60, ""), world.watcher)
    assert clock.time >= 6
    lasts_s = 1e9
    with pytest.raises(DeployFailed, match=f"{ENGINE} did not start"):
        until_running(platform, ["front", ENGINE], ENGINE, Deadline(clock, 60, ""), world.watcher)
    assert clock.time >= 10


def test_a_status_that_lags_is_given_a_moment_and_one_that_failed_none(world):
    platform, clock = world.platform, world.clock
    seen = {"status": "DEPLOYING"}
    platform.applications = lambda: Applications(True, None, {ENGINE: Application(seen["status"], "", ())})
    assert not runs(platform, [ENGINE], clock)
    assert clock.time == pytest.approx(6, abs=0.5)
    seen["status"], began = "DEPLOY_FAILED", clock.time
    assert not runs(platform, [ENGINE], clock)
    seen["status"] = "RUNNING"
    assert runs(platform, [ENGINE], clock)
    assert clock.time == began


def looks_until_routed(world, *seen):
    """How many looks it takes, with what the front answers to each: {replica: (generation, refused)}."""
    left = [*seen]

    def front(method, path, **more):
        told = left.pop(0)
        body = {"replicas": [{"replica": n, "generation": g, "refused": r} for n, (g, r) in told.items()]}
        return Answer(200, {}, json.dumps(body).encode())

    world.platform.front = front
    until_routed(world.platform, 2, ENGINE, 2, Deadline(world.clock, 60, ""), world.watcher)
    return len(seen) - len(left)


def test_a_front_replica_that_is_gone_does_not_count_for_one_that_has_the_old_table(world):
    # Two looks have one with the new table each, and another one.
    a_new, b_new, both = {"a": (2, {}), "b": (1, {})}, {"b": (2, {}), "c": (1, {})}, {"b": (2, {}), "c": (2, {})}
    assert looks_until_routed(world, a_new, b_new, both, both) == 3


def test_every_front_replica_has_to_have_the_table_and_take_the_engine(world):
    old, refused = {"a": (2, {}), "b": (1, {})}, {"a": (2, {}), "b": (2, {ENGINE: "no answer within 3 s"})}
    done = {"a": (2, {}), "b": (3, {})}
    assert looks_until_routed(world, old, refused, done, done) == 3


def test_the_cause_is_the_last_exception_of_what_was_said():
    assert cause_of("A replica failed to start. Retrying 2 more time(s).") is None
    assert cause_of("Traceback:\nValueError: a\n\nray.exceptions.RayTaskError: b") == "ray.exceptions.RayTaskError: b"
    assert cause_of("RuntimeError: engine start failed: ValueError: No memory") == "ValueError: No memory"
