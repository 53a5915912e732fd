"""Going back."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy, standing_now
from infercli.actions.rollback import rollback, way
from infercli.errors import ClusterError, DeployFailed, InputError, Interrupted
from tests.actions.looking import applications, raising, seen, stop_at_the_first_share, weights
from tests.actions.test_deploy_again import of_before
from tests.core.builders import FRONT, engine, plan

GOOD, BAD = engine("none").app, engine("int8").app


def go_back(world, to=None, **more):
    how, entry = rollback(
        "chat", world, to=to, who="a test", reason=None, infercli_version="0", timeout_s=600, **more,
        tell=lambda how, target: world.watcher.step(f"back to revision {target.number}"),
    )  # fmt: skip
    return how, entry


def on_the_way(world, to=None):
    history = world.store.entries("chat")
    return way("chat", world, history, to, standing_now(world, history))[0]


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
    found = on_the_way(world)
    assert (found.is_shift, found.lacks_replicas) == (False, False)  # all of it is missing, and not some replicas
    world.platform.puts.clear()
    go_back(world)
    first = {r["app"]: r["weight"] for r in world.platform._table(world.platform.puts[0])["routes"]}
    assert first == {BAD: 100, GOOD: 0}
    assert weights(world) == {GOOD: 100}


def test_an_engine_that_a_failed_deploy_put_back_is_not_warm_before_it_runs(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    world.platform.fail_start[engine("awq").app] = "A replica failed to start"
    with pytest.raises(DeployFailed):
        deploy(request_for("awq"), world)
    assert not on_the_way(world, 1).is_shift
    world.clock.sleep(10)
    assert on_the_way(world, 1).is_shift


TIGHT = FRONT.model_copy(update={"max_in_flight": 8, "replicas": 2})


def fronts(world):
    front = next(a for a in world.platform.config()["applications"] if a["name"] == "front")
    return front["args"]["max_in_flight"]


def test_replicas_alone_are_taken_back(world, request_for):
    deploy(request_for(), world)
    deploy(request_for(plan=plan(replicas=4)), world)
    assert on_the_way(world).moves is False
    went, entry = go_back(world)
    assert (went.to, went.is_shift, entry.progress.outcome) == (1, True, "good")
    assert world.platform.replicas()[GOOD] == 1
    assert (seen(world).state, seen(world).revision) == ("serving", 3)
    assert go_back(world, to=1)[0].states == ()
    assert go_back(world, to=2)[0].to == 2
    assert world.platform.replicas()[GOOD] == 4


def test_objects_alone_are_taken_back(world, request_for):
    deploy(request_for(objects=({"kind": "Service"},)), world)
    deploy(request_for(objects=({"kind": "NetworkPolicy"},)), world)
    went, entry = go_back(world)
    assert (went.to, entry.revision.objects, entry.progress.outcome) == (1, ({"kind": "Service"},), "good")
    assert world.platform.prepared == world.platform.tidied == [1, 2, 3]


def test_requests_leave_a_canary_for_an_engine_of_which_a_replica_starts_anew(world, request_for):
    deploy(request_for(), world)
    stop_at_the_first_share(world, request_for("int8", weights=(5, 100)))
    world.platform.began[GOOD] = world.clock.time
    world.platform.puts.clear()
    went, _ = go_back(world)
    routes = [{r["app"]: r["weight"] for r in world.platform._table(p)["routes"]} for p in world.platform.puts]
    assert routes == [{GOOD: 100, BAD: 0}, {GOOD: 100}, {GOOD: 100}, {GOOD: 100}]
    assert (went.is_shift, went.lacks_replicas, went.moves) == (False, True, True)


def test_a_status_that_lags_is_not_one_of_an_engine_that_is_down(world, request_for):
    deploy(request_for(), world)
    deploy(request_for(plan=plan(replicas=4)), world)
    of_before(world, 2)
    found = on_the_way(world)
    assert (found.is_shift, [s.step for s in found.states]) == (True, ["shift"])


def test_requests_do_not_wait_for_an_operator_to_see_the_newest_table(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    began = world.clock.time
    of_before(world, 60)
    assert go_back(world)[0].is_shift
    assert world.clock.time - began < 1


def test_replicas_that_come_back_run_before_the_rollback_is_good(world, request_for):
    deploy(request_for(plan=plan(replicas=4)), world)
    deploy(request_for(), world)
    began = world.clock.monotonic()
    went, entry = go_back(world)
    assert (went.is_shift, went.lacks_replicas, entry.progress.outcome) == (False, True, "good")
    assert world.clock.monotonic() - began >= world.platform.start_s
    assert world.platform.replicas()[GOOD] == 4


def test_the_front_alone_is_taken_back(world, request_for):
    deploy(request_for(), world)
    deploy(request_for(plan=plan(front=TIGHT)), world)
    went, entry = go_back(world)
    assert (went.to, entry.progress.outcome, fronts(world)) == (1, "good", FRONT.max_in_flight)
    assert entry.revision.front == FRONT


@pytest.mark.parametrize("drop", [False, True], ids=["warm", "cold"])
def test_the_front_goes_back_with_the_engine_and_requests_do_not_wait_for_it(world, request_for, drop):
    deploy(request_for(), world)
    deploy(request_for(plan=plan("int8", replicas=2, front=TIGHT), drop_previous=drop), world)
    world.platform.puts.clear()
    _, entry = go_back(world)
    assert (entry.progress.outcome, fronts(world), weights(world)) == ("good", FRONT.max_in_flight, {GOOD: 100})
    assert entry.revision.front == FRONT
    if not drop:
        tables = [world.platform._table(p)["routes"] for p in world.platform.puts]
        assert {r["app"]: r["weight"] for r in tables[0]} == {GOOD: 100, BAD: 0}
    assert seen(world).drift == ()


@pytest.mark.parametrize("way_down", ["DEPLOY_FAILED", None, "UNHEALTHY"])
def test_an_engine_that_is_down_is_not_said_to_serve_already(world, request_for, way_down):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    go_back(world)
    if way_down == "UNHEALTHY":
        world.platform.fail_start[GOOD] = "A replica failed to start"
    elif way_down is None:
        del world.platform.began[GOOD]
    else:
        world.platform.status[GOOD] = way_down
    found = on_the_way(world, 1)
    assert found.states
    assert (found.is_shift, found.lacks_replicas) == (False, True)
    if way_down == "UNHEALTHY":
        with pytest.raises(DeployFailed, match="the root cause"):
            go_back(world, to=1)
        return
    assert go_back(world, to=1)[1].progress.outcome == "good"
    assert world.platform.applications().apps[GOOD].status == "RUNNING"
    assert weights(world) == {GOOD: 100}


def test_a_warm_engine_that_ray_gave_up_on_is_started_anew_before_requests_move(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    world.platform.status[GOOD] = "DEPLOY_FAILED"
    world.platform.puts.clear()
    went, entry = go_back(world)
    assert (went.is_shift, entry.progress.outcome, weights(world)) == (False, "good", {GOOD: 100})
    assert GOOD not in {a["name"] for a in world.platform.puts[0]["applications"]}
    routes = [{r["app"]: r["weight"] for r in world.platform._table(p)["routes"]} for p in world.platform.puts]
    assert routes == [{BAD: 100}, {GOOD: 0, BAD: 100}, {GOOD: 100, BAD: 0}, {GOOD: 100}]


def test_a_rollback_says_of_a_revision_that_lost_its_driver_that_it_did(world, request_for):
    deploy(request_for(), world)
    world.platform.faults["put"] = SystemExit()
    with pytest.raises(SystemExit):
        deploy(request_for("int8"), world)
    go_back(world)
    assert [e.progress.outcome for e in world.store.entries("chat")] == ["good", "abandoned", "good"]


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


def test_the_aim_of_a_rollback_past_several_revisions_survives(world, request_for):
    for quantization in ("none", "int8", "awq"):
        deploy(request_for(quantization), world)
    world.platform.faults["put"] = KeyboardInterrupt()
    with pytest.raises(Interrupted):
        go_back(world, to=1)
    assert go_back(world)[0].to == 1


def test_the_oldest_revisions_go_when_others_come_and_what_serves_and_the_way_back_stay(
    world, request_for, monkeypatch
):
    monkeypatch.setattr("infercli.core.release.KEPT", 3)
    deploy(request_for("awq"), world)
    deploy(request_for(), world)
    for _ in range(4):
        world.platform.fail_start[BAD] = "A replica failed to start"
        with pytest.raises(DeployFailed):
            deploy(request_for("int8"), world)
    assert [e.number for e in world.store.entries("chat")] == [1, 2, 4, 5, 6]  # the engine of 1 is kept warm
    assert "note: revision 3 of chat is forgotten: the newest 50 are kept" in world.watcher.said
    del world.platform.fail_start[BAD]
    deploy(request_for("int8"), world)
    assert [e.number for e in world.store.entries("chat")] == [2, 5, 6, 7]
    go_back(world)
    assert weights(world) == {GOOD: 100}
    assert [e.number for e in world.store.entries("chat")] == [2, 6, 7, 8]
    deploy(request_for("gptq"), world)
    assert [e.number for e in world.store.entries("chat")] == [2, 7, 8, 9]  # 2 started the engine that 8 went back to


def test_a_history_that_cannot_be_made_shorter_fails_no_deploy(world, request_for, monkeypatch):
    monkeypatch.setattr("infercli.core.release.KEPT", 1)
    monkeypatch.setattr(world.store, "forget", raising(ClusterError("not allowed to delete Secret")))
    for quantization in ("none", "int8", "awq"):
        assert deploy(request_for(quantization), world).progress.outcome == "good"
    assert "note: the history stays as long as it is: not allowed to delete Secret" in world.watcher.said


def test_going_back_to_what_serves_already_records_nothing_and_tells_of_no_way(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    world.watcher.said.clear()
    how, entry = go_back(world, to=2)
    assert (how.states, entry.number) == ((), 2)
    assert [e.number for e in world.store.entries("chat")] == [1, 2]
    assert world.watcher.said == []
    go_back(world)
    assert world.watcher.said[0] == "back to revision 1"


def test_an_engine_whose_pods_are_others_is_started_in_a_second_ray_cluster_though_it_runs(world, request_for):
    def service(image):
        pod = {"spec": {"containers": [{"name": "ray", "image": image}]}}
        ray = {"headGroupSpec": {"template": pod}, "workerGroupSpecs": []}
        return ({"kind": "RayService", "metadata": {"name": "chat"}, "spec": {"rayClusterConfig": ray}},)

    deploy(request_for(objects=service("one")), world)
    deploy(request_for("int8", objects=service("two")), world)
    how = on_the_way(world)
    assert (how.is_shift, how.new_cluster) == (False, True)
    assert how.states[0].step == "add"
    deploy(request_for("awq", objects=service("two")), world)
    assert (on_the_way(world).is_shift, on_the_way(world).new_cluster) == (True, False)


def test_nobody_is_stopped_for_a_rollback_that_has_nowhere_to_go(world, request_for, monkeypatch):
    deploy(request_for(), world)
    asked = []
    monkeypatch.setattr(world.store, "changing", lambda *words, **more: asked.append((words, more)))
    for to, said in ((None, "no revision of `chat` was good before"), (7, "has no revision 7")):
        with pytest.raises(InputError, match=said):
            go_back(world, to=to, break_lock=True)
    assert asked == []
