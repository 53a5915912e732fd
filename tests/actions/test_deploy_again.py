"""Deploying an engine that is there already: it serves, lacks replicas, is down, or has another front or objects."""

from __future__ import annotations

import json

import pytest

from infercli.actions.deploy import deploy
from infercli.core.release.observed import Application
from infercli.errors import DeployFailed, TimedOut
from tests.actions.looking import GOOD, seen, weights
from tests.core.builders import FRONT, engine, plan


def test_deploying_what_serves_already_changes_nothing(world, request_for):
    first = deploy(request_for(), world)
    puts = len(world.platform.puts)
    again = deploy(request_for(), world)
    assert again.number == first.number
    assert len(world.platform.puts) == puts


CHANGES = {
    "replicas": {"plan": plan(replicas=2)},
    "front": {"plan": plan(front=FRONT.model_copy(update={"max_in_flight": 8}))},
    "objects": {"objects": ({"kind": "NetworkPolicy", "metadata": {"name": "chat"}},)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_differs_from_what_serves_is_a_revision_of_its_own(world, request_for, change):
    deploy(request_for(), world)
    changed = deploy(request_for(**CHANGES[change]), world)
    assert changed.number == 2
    assert world.platform.prepared == [1, 2]
    assert deploy(request_for(**CHANGES[change]), world).number == 2


def test_replicas_that_are_added_run_before_the_deploy_is_good_and_requests_stay_meanwhile(world, request_for):
    deploy(request_for(), world)
    world.platform.puts.clear()
    began = world.clock.monotonic()
    entry = deploy(request_for(plan=plan(replicas=4)), world)
    assert (entry.number, entry.progress.outcome) == (2, "good")
    assert world.clock.monotonic() - began >= world.platform.start_s
    assert world.platform.replicas()[GOOD] == 4
    tables = [world.platform._table(p)["routes"] for p in world.platform.puts]
    assert {t[0]["weight"] for t in tables} == {100}


def test_replicas_that_find_no_room_are_taken_back_in_rays_words(world, request_for):
    deploy(request_for(), world)
    world.platform.on_put = lambda p: p.placed_after_s.update({GOOD: 1e9})
    with pytest.raises(TimedOut, match=rf"waiting for {GOOD} to run .*not placed yet(.|\n)*{GOOD} serves"):
        deploy(request_for(plan=plan(replicas=4), timeout_s=60), world)
    assert world.platform.replicas()[GOOD] == 1
    assert weights(world) == {GOOD: 100}
    assert world.store.entries("chat")[-1].progress.outcome == "failed"


def test_fewer_replicas_are_not_waited_for(world, request_for):
    deploy(request_for(plan=plan(replicas=4)), world)
    began = world.clock.monotonic()
    assert deploy(request_for(), world).number == 2
    assert world.clock.monotonic() - began < 1
    assert world.platform.replicas()[GOOD] == 1


def test_an_engine_that_ray_gave_up_on_leaves_the_config_and_is_started_again(world, request_for):
    deploy(request_for(), world)
    world.platform.status[GOOD] = "DEPLOY_FAILED"
    world.platform.puts.clear()
    entry = deploy(request_for(), world)
    assert (entry.number, entry.progress.outcome) == (2, "good")
    assert [{a["name"] for a in p["applications"]} for p in world.platform.puts] == [
        {"front"},
        {"front", GOOD},
        {"front", GOOD},
    ]
    assert world.platform.applications().apps[GOOD].status == "RUNNING"
    assert weights(world) == {GOOD: 100}


def test_an_engine_that_ray_gave_up_on_and_that_answers_keeps_its_requests(world, request_for):
    deploy(request_for(), world)
    platform = world.platform
    platform.status[GOOD] = "DEPLOY_FAILED"
    platform._answers = lambda name: True
    platform.puts.clear()
    with pytest.raises(DeployFailed, match=f"engine {GOOD} did not start(.|\n)*{GOOD} serves"):
        deploy(request_for(), world)
    assert all(GOOD in {a["name"] for a in p["applications"]} for p in platform.puts)


def test_an_engine_that_ray_does_not_show_any_more_is_started_again(world, request_for):
    deploy(request_for(), world)
    platform = world.platform
    del platform.began[GOOD]
    assert deploy(request_for(), world).number == 2
    assert platform.applications().apps[GOOD].status == "RUNNING"


def test_a_front_that_comes_up_again_is_not_said_to_serve_already(world, request_for):
    deploy(request_for(), world)
    world.platform.status["front"] = "DEPLOYING"
    assert deploy(request_for(), world).number == 2


def test_what_somebody_changed_by_hand_is_put_right(world, request_for):
    deploy(request_for(), world)
    meant = world.platform.config()
    changed = json.loads(json.dumps(meant))
    next(a for a in changed["applications"] if a["name"] == "front")["args"]["max_in_flight"] = 1
    world.platform.held[-1] = changed
    assert seen(world).drift
    assert seen(world).next == "`infercli diff` compares; `infercli deploy` puts it right"
    assert deploy(request_for(), world).number == 2
    assert seen(world).drift == ()


def test_an_engine_that_loads_again_is_waited_for(world, request_for):
    deploy(request_for(), world)
    world.platform.start_s = 60
    world.platform.began[GOOD] = began = world.clock.monotonic()
    assert deploy(request_for(), world).number == 2
    assert world.clock.monotonic() - began >= world.platform.start_s


def of_before(world, lasts_s):
    """For so long the status is of before what was put last, when everything ran."""
    real, end = world.platform.applications, world.clock.time + lasts_s

    def applications():
        seen = real()
        if world.clock.time >= end:
            return seen
        return seen._replace(accepted=False, apps=dict.fromkeys(seen.apps, Application("RUNNING", "", ())))

    world.platform.applications = applications


@pytest.mark.parametrize(("lasts_s", "number"), [(3, 1), (60, 2)])
def test_a_status_that_lags_is_waited_for_before_anything_is_changed(world, request_for, lasts_s, number):
    deploy(request_for(), world)
    of_before(world, lasts_s)
    assert deploy(request_for(), world).number == number


def test_a_status_of_before_does_not_stand_for_replicas_that_a_killed_deploy_added(world, request_for):
    world.platform.start_s = 30
    deploy(request_for(), world)
    world.platform.on_put = lambda p: p.faults.update(applications=SystemExit())
    with pytest.raises(SystemExit):
        deploy(request_for(plan=plan(replicas=4)), world)
    world.platform.on_put, began = None, world.clock.time
    of_before(world, 20)
    assert deploy(request_for(plan=plan(replicas=4)), world).progress.outcome == "good"
    assert world.clock.time - began >= world.platform.start_s


def test_an_engine_that_cannot_come_back_is_not_said_to_serve(world, request_for):
    deploy(request_for(), world)
    world.platform.status[GOOD] = "DEPLOY_FAILED"
    world.platform.fail_start[GOOD] = "A replica failed to start"
    with pytest.raises(DeployFailed, match=f"the root cause\nnothing serves; {GOOD} is refused by the front"):
        deploy(request_for(), world)


def test_an_engine_that_runs_and_no_record_names_is_verified_before_requests_reach_it(world, request_for):
    deploy(request_for(), world)
    other = engine("int8").app
    world.platform.began[other] = 0.0  # somebody's put by hand
    world.platform.puts.clear()
    assert deploy(request_for("int8"), world).progress.outcome == "good"
    first = {r["app"]: r["weight"] for r in world.platform._table(world.platform.puts[0])["routes"]}
    assert first == {GOOD: 100, other: 0}


@pytest.mark.parametrize("made", [None, {"kind": "NetworkPolicy", "metadata": {"name": "chat"}, "spec": {"a": 2}}])
def test_an_object_that_somebody_deleted_or_changed_is_put_right(world, request_for, made):
    objects = ({"kind": "NetworkPolicy", "metadata": {"name": "chat"}, "spec": {"a": 1}},)
    deploy(request_for(objects=objects), world)
    assert deploy(request_for(objects=objects), world).number == 1
    world.platform.objects["NetworkPolicy", "chat"] = made
    assert deploy(request_for(objects=objects), world).number == 2
    assert world.platform.held_objects(objects) == list(objects)
