"""A rollback that did not come to its end."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.core.release import newest, standing
from infercli.errors import DeployFailed, InputError, Interrupted, RayError
from tests.actions.looking import applications, seen, weights
from tests.actions.test_rollback import BAD, GOOD, go_back
from tests.core.builders import engine, plan


def test_a_rollback_of_replicas_that_was_cut_is_told_and_goes_on(world, request_for):
    deploy(request_for(), world)
    deploy(request_for(plan=plan(replicas=4)), world)
    cut(world, "interrupted", moved=False)
    found = seen(world)
    assert (found.state, found.revision) == ("degraded", 2)
    assert "the rollback to revision 1 did not come to its end" in found.summary
    assert go_back(world)[0].to == 1
    assert world.platform.replicas()[GOOD] == 1
    assert (seen(world).state, seen(world).revision) == ("serving", 4)


CUTS = {
    "interrupted": KeyboardInterrupt(),
    "killed": SystemExit(),
    "failed": RayError("Ray is gone"),
}


def cut(world, how, *, moved):
    """Let a rollback come to its first put and no further: `moved` has it done, else it is recorded only."""

    def after(platform):
        platform.on_put = None
        raise CUTS[how]

    if moved:
        world.platform.on_put = after
    else:
        world.platform.faults["put"] = CUTS[how]
    with pytest.raises((Interrupted, DeployFailed, SystemExit)):
        go_back(world)
    assert newest(world.store.entries("chat")).progress.outcome == {"killed": "pending"}.get(how, how)


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("moved", [True, False], ids=["put", "recorded"])
@pytest.mark.parametrize("how", CUTS)
class TestARollbackThatDidNotComeToItsEnd:
    """Revision 1 is good, 2 serves and is bad, and 3 is the rollback to 1 that was cut."""

    @pytest.fixture(autouse=True)
    def state(self, world, request_for, how, moved, warm):
        deploy(request_for(), world)
        deploy(request_for("int8", drop_previous=not warm), world)
        cut(world, how, moved=moved)
        world.clock.sleep(1)
        world.platform.puts.clear()
        self.good = applications(world) & {GOOD}

    def test_a_second_rollback_goes_where_the_first_one_wanted_to(self, world):
        went, entry = go_back(world)
        assert (went.to, entry.revision.points_at, entry.progress.outcome) == (1, 1, "good")
        assert weights(world) == {GOOD: 100}
        assert applications(world) == {"front", GOOD}
        assert (seen(world).state, seen(world).revision) == ("serving", 4)

    def test_no_request_reaches_an_engine_that_does_not_run(self, world, warm):
        go_back(world)
        first = {r["app"]: r["weight"] for r in world.platform._table(world.platform.puts[0])["routes"]}
        assert first == ({GOOD: 100, BAD: 0} if warm else {GOOD: 0, BAD: 100})

    def test_a_third_rollback_finds_nothing_more_to_go_back_to(self, world):
        go_back(world)
        with pytest.raises(InputError, match="no revision of `chat` was good before"):
            go_back(world)

    def test_a_deploy_of_the_same_engine_keeps_the_good_one_warm(self, world, request_for, warm):
        deploy(request_for("int8"), world)
        assert weights(world)[BAD] == 100
        assert self.good <= applications(world)
        assert go_back(world)[0].to == 1
        assert weights(world) == {GOOD: 100}

    def test_a_deploy_of_another_engine_keeps_the_good_one_warm(self, world, request_for):
        deploy(request_for("awq"), world)
        assert weights(world)[engine("awq").app] == 100
        assert self.good <= applications(world)
        went, _ = go_back(world)
        assert went.to == 1
        assert went.is_shift or not self.good
        assert weights(world) == {GOOD: 100}

    def test_a_deploy_that_fails_after_it_leaves_the_way_back(self, world, request_for):
        world.platform.fail_start[engine("awq").app] = "A replica failed to start"
        with pytest.raises(DeployFailed):
            deploy(request_for("awq"), world)
        assert self.good <= applications(world)
        assert go_back(world)[0].to == 1
        assert weights(world) == {GOOD: 100}

    def test_the_bad_one_comes_back_where_somebody_says_so(self, world):
        went, _ = go_back(world, to=2)
        assert went.to == 2
        assert weights(world) == {BAD: 100}

    def test_status_says_what_serves_and_what_to_type(self, world, how, moved, warm):
        found, history = seen(world), world.store.entries("chat")
        # A warm way back begins with the requests, a cold one with the engine. A killed one could not look again.
        shifted = warm and (moved or how == "killed")
        assert found.revision == (1 if shifted else 2)
        assert [standing(e, history) for e in history][:2] == (
            ["serving", "rolled back"] if shifted else ["superseded", "serving"]
        )
        assert found.newest_standing == {"killed": "abandoned"}.get(how, how)
        assert ("nobody drives revision 3 any more" in found.summary) == (how == "killed")
        assert ("the rollback to revision 1 did not come to its end" in found.summary) == (not shifted)
        done = shifted and how != "killed"
        assert found.state == ("serving" if done else "degraded")
        assert found.next == (None if done else "`infercli rollback chat` goes on, to revision 1")


def test_an_interrupted_rollback_says_that_a_second_one_goes_on(world, request_for):
    deploy(request_for(), world)
    deploy(request_for("int8"), world)
    world.platform.faults["put"] = KeyboardInterrupt()
    with pytest.raises(Interrupted, match=f"interrupted; {BAD} serves") as error:
        go_back(world)
    assert "`infercli rollback chat` goes on, to revision 1" in error.value.hint


@pytest.mark.parametrize(("gpus", "stays"), [(2, False), (3, True)])
def test_where_it_wanted_to_go_stays_warm_while_there_is_room_for_the_next_deploy(world, request_for, gpus, stays):
    for quantization in ("none", "int8"):
        deploy(request_for(plan=plan(quantization, gpus=1, max_gpus=gpus)), world)
    cut(world, "interrupted", moved=False)
    deploy(request_for(plan=plan("awq", gpus=1, max_gpus=gpus)), world)
    assert (engine(gpus=1).app in applications(world)) == stays
