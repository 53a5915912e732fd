"""Deploying: what is live and recorded once it is done, what it waits for, and what it refuses to begin."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import check_recorded, deploy
from infercli.core.release import live
from infercli.errors import (
    ClusterError,
    DeployFailed,
    InputError,
    RayError,
    ReleaseBusy,
    TimedOut,
)
from tests.actions.looking import GOOD, OTHER, applications, stop_at_the_first_share, weights
from tests.core.builders import engine, plan


def test_a_first_deploy_ends_with_every_request_on_the_new_engine(world, request_for):
    entry = deploy(request_for(), world)
    assert entry.number == 1
    assert entry.progress.outcome == "good"
    assert weights(world) == {GOOD: 100}


def test_no_request_reaches_an_engine_before_it_has_answered_its_verification(world, request_for):
    deploy(request_for(), world)
    world.platform.puts.clear()
    deploy(request_for("int8"), world)
    first = world.platform.puts[0]
    routes = {r["app"]: r["weight"] for r in world.platform._table(first)["routes"]}
    assert routes == {GOOD: 100, OTHER: 0}


def test_what_served_before_is_kept_warm_and_dropped_by_the_next_deploy(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    assert applications(world) == {"front", GOOD, OTHER}
    deploy(request_for("awq"), world)
    assert applications(world) == {"front", OTHER, engine("awq").app}


def test_an_engine_that_finds_room_late_is_waited_for_and_whoever_waits_is_told_once(world, request_for):
    world.platform.placed_after_s[GOOD] = 400
    assert deploy(request_for(), world).progress.outcome == "good"
    notes = [text for text in world.watcher.said if text.startswith("note: ")]
    assert len(notes) == 1
    assert f"{GOOD} is not placed yet" in notes[0]
    assert "auto-scale" in notes[0]


def test_an_engine_that_finds_no_room_is_given_up_at_the_deadline_in_rays_words(world, request_for):
    deploy(request_for(), world)
    world.platform.placed_after_s[OTHER] = 1e9
    with pytest.raises(TimedOut, match=rf"waiting for {OTHER} to run \({OTHER} is not placed yet: .*auto-scale"):
        deploy(request_for("int8", timeout_s=120), world)
    assert applications(world) == {"front", GOOD}


def test_an_engine_needs_no_room_beside_itself(world, request_for):
    deploy(request_for(plan=plan(gpus=1, max_gpus=2)), world)
    stop_at_the_first_share(world, request_for(plan=plan("int8", gpus=1, max_gpus=2), weights=(5, 100)))
    assert deploy(request_for(plan=plan(gpus=1, max_gpus=2)), world).progress.outcome == "good"
    assert weights(world)[engine(gpus=1).app] == 100


def test_going_back_brings_the_objects_back_too(world, request_for):
    deploy(request_for(objects=({"kind": "Service"},)), world)
    world.platform.fail_start[OTHER] = "A replica failed to start"
    with pytest.raises(DeployFailed):
        deploy(request_for("int8", objects=({"kind": "NetworkPolicy"},)), world)
    assert world.platform.prepared == [1, 2, 1]
    assert world.platform.tidied == [1, 1]


def test_what_only_earlier_revisions_had_is_taken_away_once_the_new_one_is_good(world, request_for):
    deploy(request_for(), world)
    world.platform.faults["tidy"] = ClusterError("not allowed to delete PodDisruptionBudget chat-engine")
    entry = deploy(request_for("int8"), world)
    assert entry.progress.outcome == "good"  # requests do not depend on it
    assert "note: objects of other revisions are left: not allowed to delete" in "\n".join(world.watcher.said)
    assert deploy(request_for(), world).number == world.platform.tidied[-1] == 3


def test_what_cannot_be_prepared_puts_nothing_and_says_what_to_do(world, request_for):
    deploy(request_for(), world)
    puts = len(world.platform.puts)
    world.platform.faults["prepare"] = InputError("there is no Secret", "make it")
    with pytest.raises(DeployFailed, match="failed at `prepare`: there is no Secret") as error:
        deploy(request_for("int8"), world)
    assert error.value.hint.startswith("make it\n")
    assert len(world.platform.puts) == puts


def test_objects_that_a_failed_deploy_may_have_left_are_put_right_by_deploying_what_served(world, request_for):
    served = request_for(objects=({"kind": "Service"},))
    deploy(served, world)
    world.platform.faults["prepare"] = InputError("the second object is refused")
    with pytest.raises(DeployFailed):
        deploy(request_for("int8", objects=({"kind": "NetworkPolicy"},)), world)
    assert deploy(served, world).number == 3
    assert world.platform.prepared == [1, 3]


def test_what_the_other_side_refuses_is_neither_recorded_nor_put(world, request_for):
    deploy(request_for(), world)
    world.platform.faults["validate"] = InputError("the API server refuses it")
    with pytest.raises(InputError, match="refuses it"):
        deploy(request_for("int8"), world)
    assert len(world.store.entries("chat")) == 1
    assert applications(world) == {"front", GOOD}


def test_a_short_silence_of_the_other_side_is_waited_out(world, request_for):
    world.platform.faults["applications"] = RayError("the dashboard restarts")
    assert deploy(request_for(), world).progress.outcome == "good"


def test_a_second_deploy_at_the_same_time_is_refused_and_names_the_holder(world, request_for):
    with world.store.changing("chat", "deploy"), pytest.raises(ReleaseBusy, match="deploy since"):
        deploy(request_for(), world)


def test_without_a_free_gpu_downtime_is_said_before_it_is_caused(world, request_for):
    one = plan(gpus=1, max_gpus=1)
    deploy(request_for(plan=one), world)
    puts = len(world.platform.puts)
    two = plan("int8", gpus=1, max_gpus=1)
    with pytest.raises(InputError, match="503"):
        deploy(request_for(plan=two), world)
    assert len(world.platform.puts) == puts
    assert deploy(request_for(plan=two, allow_downtime=True), world).progress.outcome == "good"


def test_room_is_counted_with_every_replica_of_what_goes_on(world, request_for):
    deploy(request_for(plan=plan(gpus=1, max_gpus=4, replicas=2)), world)
    with pytest.raises(InputError, match="503"):
        deploy(request_for(plan=plan("int8", gpus=1, max_gpus=4, replicas=3)), world)
    with pytest.raises(InputError, match="503"):
        deploy(request_for(plan=plan("int8", gpus=1, max_gpus=2)), world)
    assert deploy(request_for(plan=plan("int8", gpus=1, max_gpus=4, replicas=2)), world).progress.outcome == "good"


def test_the_gpus_of_an_idle_engine_are_free_for_the_next_one(world, request_for):
    for quantization in ("none", "int8", "awq"):
        deploy(request_for(plan=plan(quantization, gpus=1, max_gpus=2)), world)
    assert applications(world) == {"front", engine("int8", gpus=1).app, engine("awq", gpus=1).app}


def test_an_engine_that_is_replaced_is_gone_before_the_new_one_starts(world, request_for):
    deploy(request_for(plan=plan(gpus=1, max_gpus=1)), world)
    old, shown = world.platform.replicas().keys() - {"front"}, []
    world.platform.puts.clear()
    world.platform.on_put = lambda p: shown.append(set(p.applications().apps) & old)
    deploy(request_for(plan=plan("int8", gpus=1, max_gpus=1), allow_downtime=True), world)
    assert shown == [old, set(), set()]


def test_a_deploy_whose_driver_died_is_recorded_as_abandoned_by_the_next(world, request_for):
    deploy(request_for(), world)
    world.platform.faults["put"] = SystemExit()
    with pytest.raises(SystemExit):
        deploy(request_for("int8"), world)
    assert world.store.entries("chat")[-1].progress.outcome == "pending"
    deploy(request_for("awq"), world)
    assert [e.progress.outcome for e in world.store.entries("chat")] == ["good", "abandoned", "good"]


def test_what_is_live_is_what_the_newest_record_composes_to(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    history = world.store.entries("chat")
    assert world.compose(live(history), history) == world.platform.config()


def test_after_the_other_side_lost_everything_the_engine_is_started_and_verified_again(world, request_for):
    deploy(request_for(), world)
    world.platform.remove()
    again = deploy(request_for(), world)
    assert again.number == 2
    first = {r["app"]: r["weight"] for r in world.platform._table(world.platform.puts[0])["routes"]}
    assert first == {GOOD: 0}
    assert weights(world) == {GOOD: 100}


def test_what_no_revision_knows_of_and_takes_requests_is_not_dropped_unless_told_so(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    world.store.forget("chat")
    before = world.platform.config()
    with pytest.raises(InputError, match=f"{OTHER} takes requests on a fake") as refused:
        deploy(request_for("awq"), world)
    assert "--allow-downtime" in refused.value.hint
    assert world.platform.config() == before
    assert not world.store.entries("chat")
    world.platform.puts.clear()
    entry = deploy(request_for("awq", allow_downtime=True), world)
    assert weights(world) == {engine("awq").app: 100}
    # By a number that was there before, fronts that have the old table would be taken to have the new one.
    assert entry.number == 3
    assert all(world.platform._table(put)["generation"] > 2999 for put in world.platform.puts)


def test_an_engine_that_takes_no_request_is_no_loss_whoever_put_it_there(world, request_for):
    deploy(request_for(), world)
    history = world.store.entries("chat")
    routes = world.platform._table(world.platform.config())["routes"]
    routes.append({"app": "chat-somebodys", "weight": 0})
    check_recorded(request_for("int8"), world, history)
    routes[-1]["weight"] = 1
    with pytest.raises(InputError, match=r"^chat-somebodys takes requests on a fake"):
        check_recorded(request_for("int8"), world, history)
