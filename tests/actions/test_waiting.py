"""The rules by which a step is done or has failed, look by look."""

from __future__ import annotations

import json

import pytest

from infercli.actions.waiting import (
    Deadline,
    Told,
    cause_of,
    runs,
    until_gone,
    until_routed,
    until_running,
)
from infercli.core.release.observed import Answer, Application, Applications
from infercli.errors import DeployFailed, EndpointError, RayError, TimedOut
from tests.core.builders import engine
from tests.fakes.platform import NOT_PLACED

ENGINE = engine("none").app


def test_a_failure_that_may_be_of_before_is_believed_once_it_has_lasted(world):
    platform, clock = world.platform, world.clock
    running, failing = Application("RUNNING", "", ()), Application("DEPLOYING", "", ("A replica failed to start",))
    platform.settle_s, lasts_s = 4.0, 2.0

    def applications():
        return Applications(True, None, {"front": running, ENGINE: failing if clock.time < lasts_s else running})

    platform.applications = applications
    until_running(platform, ["front", ENGINE], ENGINE, Deadline(clock, 60), world.watcher)
    assert clock.time >= 6
    lasts_s = 1e9
    with pytest.raises(DeployFailed, match=f"{ENGINE} did not start"):
        until_running(platform, ["front", ENGINE], ENGINE, Deadline(clock, 60), world.watcher)
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


def seen_over_time(world, *spans):
    """What the platform says: (until, an answer, or an error to raise), in order of time."""

    def applications():
        answer = next(answer for until_s, answer in spans if world.clock.time < until_s)
        if isinstance(answer, Exception):
            raise answer
        return answer

    world.platform.applications = applications


RUNS, COMES = (Applications(True, None, {ENGINE: Application(s, "", ())}) for s in ("RUNNING", "DEPLOYING"))
REJECTED = Applications(False, "duplicate name", {})


def run_until_running(world):
    until_running(world.platform, [ENGINE], ENGINE, Deadline(world.clock, 600), world.watcher)


def test_each_silence_is_waited_for_and_told_of_by_itself(world):
    silent = RayError("no answer")
    seen_over_time(world, (60, silent), (70, COMES), (130, silent), (1e9, RUNS))
    run_until_running(world)
    assert world.watcher.said == ["note: no answer; it is waited for, up to 90 s"] * 2


def test_a_config_that_is_rejected_is_given_up_once_that_has_lasted(world):
    seen_over_time(world, (2, REJECTED), (3, COMES), (5, REJECTED), (1e9, RUNS))
    run_until_running(world)
    began = world.clock.time
    seen_over_time(world, (1e9, REJECTED))
    with pytest.raises(DeployFailed, match="the Serve config was rejected: duplicate name"):
        run_until_running(world)
    assert 3 < world.clock.time - began < 4


def test_what_keeps_an_engine_waiting_is_told_once_it_has_lasted(world):
    told = Told(world.clock, world.watcher)

    def seen(at_s, *reasons):
        world.clock.time = at_s
        told(reasons)
        return len(world.watcher.said)

    assert seen(0, "no room") == seen(6) == seen(12, "no room") == seen(21, "no room") == 0
    assert seen(22, "no room") == seen(40, "no room") == 1


def looks_until_routed(world, *seen):
    """How many looks it takes, with what the front answers to each: {replica: (generation, refused)} or an error."""
    left = [*seen]

    def front(method, path, **more):
        told = left.pop(0)
        if isinstance(told, Exception):
            raise told
        body = {"replicas": [{"replica": n, "generation": g, "refused": r} for n, (g, r) in told.items()]}
        return Answer(200, {}, json.dumps(body).encode())

    world.platform.front = front
    until_routed(world.platform, 2, ENGINE, 2, Deadline(world.clock, 60), world.watcher)
    return len(seen) - len(left)


def test_a_front_replica_that_is_gone_does_not_count_for_one_that_has_the_old_table(world):
    # Two looks have one with the new table each, and another one.
    a_new, b_new, both = {"a": (2, {}), "b": (1, {})}, {"b": (2, {}), "c": (1, {})}, {"b": (2, {}), "c": (2, {})}
    assert looks_until_routed(world, a_new, b_new, both, both) == 3


def test_every_front_replica_has_to_have_the_table_and_take_the_engine(world):
    old, refused = {"a": (2, {}), "b": (1, {})}, {"a": (2, {}), "b": (2, {ENGINE: "no answer within 3 s"})}
    done = {"a": (2, {}), "b": (3, {})}
    assert looks_until_routed(world, old, refused, done, done) == 3


def test_a_front_that_does_not_answer_for_a_moment_is_asked_again(world):
    assert looks_until_routed(world, EndpointError("nobody listens"), {"a": (2, {}), "b": (2, {})}) == 2


def test_an_engine_that_fails_in_the_cluster_that_a_table_waits_for_ends_the_wait(world):
    seen_over_time(world, (1e9, Applications(True, None, {ENGINE: Application("DEPLOY_FAILED", "no such image", ())})))
    with pytest.raises(DeployFailed, match=f"{ENGINE} did not start\nno such image"):
        looks_until_routed(world, *[{"a": (1, {}), "b": (1, {})}] * 1000)
    assert 3 < world.clock.time < 4


def test_what_a_status_of_before_says_is_neither_told_nor_believed(world):
    said = f"Deployment 'engine' in application '{ENGINE}' has 1 replicas that have {NOT_PLACED}"
    before = Applications(False, None, {ENGINE: Application("DEPLOY_FAILED", "of before", (said,))})
    seen_over_time(world, (20, before), (1e9, RUNS))
    run_until_running(world)
    assert world.watcher.said == []
    world.clock.time = 0.0
    old, new = {"a": (1, {}), "b": (1, {})}, {"a": (2, {}), "b": (2, {})}
    looks_until_routed(world, *[old] * 150, new)
    assert 10 < world.clock.time < 20
    assert world.watcher.said == []


def test_streams_that_do_not_end_are_waited_for_until_the_time_is_over(world):
    seen_over_time(world, (1e9, RUNS))
    with pytest.raises(TimedOut, match=f"waiting for {ENGINE} to end its streams"):
        until_gone(world.platform, [ENGINE], Deadline(world.clock, 60), world.watcher)
    seen_over_time(world, (1e9, Applications(True, None, {})))
    until_gone(world.platform, [ENGINE], Deadline(world.clock, 60), world.watcher)


def test_the_cause_is_the_last_exception_of_what_was_said():
    assert cause_of("A replica failed to start. Retrying 2 more time(s).") is None
    assert cause_of("Traceback:\nValueError: a\n\nray.exceptions.RayTaskError: b") == "ray.exceptions.RayTaskError: b"
    assert cause_of("RuntimeError: engine start failed: ValueError: No memory") == "ValueError: No memory"


def test_what_answers_in_the_fronts_place_is_told_and_is_the_reason_of_giving_up(world):
    world.platform.front = lambda *_, **__: Answer(502, {}, b"no upstream\n")
    with pytest.raises(TimedOut, match=rf"route to {ENGINE} \(the front answers HTTP 502: no upstream\)"):
        until_routed(world.platform, 2, ENGINE, 2, Deadline(world.clock, 60), world.watcher)
    assert "note: the front answers HTTP 502: no upstream" in world.watcher.said
