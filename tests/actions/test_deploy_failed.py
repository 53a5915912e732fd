"""Deploys that fail, are interrupted or killed: what is told and recorded, and what serves then."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.core.release import live
from infercli.core.release.observed import Answer
from infercli.errors import (
    ClusterError,
    DeployFailed,
    EndpointError,
    Interrupted,
    RayError,
    RayGone,
    ReleaseBusy,
    TimedOut,
)
from tests.actions.looking import GOOD, OTHER, applications, raising, seen, stop_at_the_first_share, weights


def test_an_engine_that_cannot_start_is_taken_out_and_its_root_cause_told(world, request_for):
    deploy(request_for(), world)
    world.platform.fail_start[OTHER] = "A replica failed to start with exception. Retrying 2 more time(s)."
    with pytest.raises(DeployFailed, match="the root cause"):
        deploy(request_for("int8"), world)
    assert weights(world) == {GOOD: 100}
    assert OTHER not in applications(world)
    failed = world.store.entries("chat")[-1]
    assert failed.progress.outcome == "failed"
    assert "the root cause" in failed.progress.message


def test_a_deadline_takes_the_new_engine_out_and_says_what_was_waited_for(world, request_for):
    deploy(request_for(), world)
    world.platform.start_s = 1e9
    with pytest.raises(TimedOut, match=f"waiting for {OTHER} to run"):
        deploy(request_for("int8", timeout_s=30), world)
    assert applications(world) == {"front", GOOD}


def test_a_failure_after_the_first_share_leaves_the_shares_as_they_are(world, request_for):
    deploy(request_for(), world)
    assert f"{GOOD} and {OTHER} serves" in stop_at_the_first_share(world, request_for("int8", weights=(5, 100)))
    assert weights(world) == {GOOD: 95, OTHER: 5}
    assert live(world.store.entries("chat")).routes == {GOOD: 95, OTHER: 5}


def test_ctrl_c_before_the_shift_leaves_what_served_and_no_half_done_state(world, request_for):
    deploy(request_for(), world)

    def interrupt(platform):
        platform.on_put = None
        raise KeyboardInterrupt

    world.platform.on_put = interrupt
    with pytest.raises(Interrupted):
        deploy(request_for("int8"), world)
    assert weights(world) == {GOOD: 100}
    assert world.store.entries("chat")[-1].progress.outcome == "interrupted"
    world.platform.fail_start.clear()
    assert deploy(request_for("int8"), world).progress.outcome == "good"


@pytest.mark.parametrize("error", [RayError("Ray is gone"), OSError("Ray is gone")])
def test_a_ray_that_dies_during_the_deploy_is_a_failed_revision_and_not_a_crash(world, request_for, error):
    world.platform.faults["put"] = error
    with pytest.raises(DeployFailed, match="Ray is gone"):
        deploy(request_for(), world)
    assert world.store.entries("chat")[-1].progress.outcome == "failed"


def test_a_ray_that_is_gone_is_not_waited_for_and_nothing_is_said_to_serve(world, request_for):
    deploy(request_for(), world)
    platform = world.platform
    platform.on_put = lambda p: (p.held.clear(), setattr(p, "applications", raising(RayGone("no Ray runs"))))
    began = world.clock.monotonic()
    with pytest.raises(DeployFailed, match="nothing serves: a fake holds nothing any more"):
        deploy(request_for("int8"), world)
    assert world.clock.monotonic() - began < 15


def test_a_ray_that_is_silent_is_told_of_while_it_is_waited_for(world, request_for):
    deploy(request_for(), world)
    world.platform.on_put = lambda p: setattr(p, "applications", raising(RayError("Ray's REST API: no answer")))
    with pytest.raises(DeployFailed, match=f"Ray's REST API: no answer\n{GOOD} serves"):
        deploy(request_for("int8"), world)
    notes = [text for text in world.watcher.said if text.startswith("note: ")]
    assert notes == ["note: Ray's REST API: no answer; it is waited for, up to 90 s"]


def test_what_serves_is_not_said_where_it_cannot_be_told(world, request_for):
    deploy(request_for(), world)

    def silent(platform):
        platform.on_put = None
        platform.front = raising(EndpointError("the API server is away"))
        raise RayError("Ray is gone")

    world.platform.on_put = silent
    with pytest.raises(DeployFailed, match=f"it cannot be told whether {GOOD} serves: the API server is away"):
        deploy(request_for("int8"), world)


def test_a_front_that_says_nothing_of_itself_is_not_said_to_serve(world, request_for):
    deploy(request_for(), world)
    before = world.platform.front
    world.platform.front = lambda method, path, **words: (
        Answer(503, {}, b"{}") if path == "/front" else before(method, path, **words)
    )
    world.platform.fail_start[OTHER] = "A replica failed to start"
    with pytest.raises(DeployFailed, match=r"\nnothing serves$"):
        deploy(request_for("int8"), world)


def test_where_nothing_was_to_serve_a_silent_front_leaves_no_doubt(world, request_for):
    world.platform.front = raising(EndpointError("nobody listens"))
    world.platform.fail_start[GOOD] = "A replica failed to start"
    for _ in range(2):
        with pytest.raises(DeployFailed, match=r"\nnothing serves$"):
            deploy(request_for(), world)


def test_going_back_applies_the_objects_of_what_served(world, request_for):
    deploy(request_for(), world)
    world.platform.fail_start[OTHER] = "A replica failed to start"
    with pytest.raises(DeployFailed):
        deploy(request_for("int8"), world)
    assert world.platform.put_by == [1, 1, 2, 1]


def test_going_back_is_done_although_a_front_replica_never_sees_that_its_table_is_as_before(world, request_for):
    deploy(request_for(), world)
    world.platform.fail_start[OTHER] = "A replica failed to start"
    world.platform.flip_s = 1e9
    with pytest.raises(DeployFailed, match=f"{GOOD} serves") as failed:
        deploy(request_for("int8"), world)
    assert "going back failed" not in failed.value.message
    assert weights(world) == {GOOD: 100}


def test_what_somebody_else_put_in_the_middle_is_not_taken_for_what_was_before(world, request_for):
    deploy(request_for(), world)
    platform = world.platform

    def other(_):
        platform.on_put = None
        held = platform.held[-1]
        platform.held.append({"applications": [a for a in held["applications"] if a["name"] == "front"]})
        raise RayError("no answer")

    platform.on_put = other
    with pytest.raises(DeployFailed):
        deploy(request_for("int8"), world)
    assert live(world.store.entries("chat")).routes == {GOOD: 100}


def test_an_engine_that_went_down_meanwhile_is_not_said_to_serve(world, request_for):
    deploy(request_for(), world)
    world.platform.refused[GOOD] = "no replica"
    world.platform.fail_start[OTHER] = "A replica failed to start"
    with pytest.raises(DeployFailed, match=f"nothing serves; {GOOD} is refused by the front: no replica"):
        deploy(request_for("int8"), world)


def test_a_second_interrupt_while_going_back_is_recorded_and_says_what_to_type(world, request_for):
    deploy(request_for(), world)
    world.platform.on_put = raising(KeyboardInterrupt())
    with pytest.raises(Interrupted, match=f"interrupted; {GOOD} serves") as error:
        deploy(request_for("int8"), world)
    assert "`infercli deploy`" in error.value.hint
    last = world.store.entries("chat")[-1].progress
    assert last.outcome == "interrupted"
    assert "going back was interrupted too" in last.message


def test_going_back_that_fails_as_well_is_told_and_recorded(world, request_for):
    deploy(request_for(), world)
    world.platform.on_put = raising(RayError("Ray is gone"))
    with pytest.raises(DeployFailed, match="Ray is gone; and going back failed: Ray is gone"):
        deploy(request_for("int8"), world)
    assert "and going back failed" in world.store.entries("chat")[-1].progress.message


def test_status_says_that_nobody_drives_a_killed_deploy_and_what_to_type(world, request_for):
    deploy(request_for(), world)
    world.platform.on_put = raising(SystemExit())
    with pytest.raises(SystemExit):
        deploy(request_for("int8"), world)
    world.clock.sleep(1)
    found = seen(world)
    assert (found.state, found.newest_standing, found.revision) == ("degraded", "abandoned", 1)
    assert found.summary == f"{GOOD} serves; nobody drives revision 2 any more, which came to `add`"
    assert found.next == "`infercli deploy` goes on; `infercli rollback chat` goes back to revision 1"
    with world.store.changing("chat", "deploy"):
        assert (seen(world).state, seen(world).newest_standing, seen(world).next) == ("changing", "pending", None)


@pytest.mark.parametrize(("puts", "share"), [(3, 5), (4, 100)])
def test_status_tells_requests_that_reach_an_engine_which_never_became_good(world, request_for, puts, share):
    deploy(request_for(), world)
    world.platform.puts.clear()
    world.platform.on_put = lambda p: raising(SystemExit())() if len(p.puts) == puts - 1 else None
    with pytest.raises(SystemExit):
        deploy(request_for("int8", weights=(5, 100)), world)
    world.clock.sleep(1)
    found = seen(world)
    assert found.state == "degraded"
    assert f"{OTHER} takes {share} % of the requests, and no revision with it became good" in found.summary


def test_a_first_deploy_that_fails_does_not_offer_a_way_back_that_there_is_not(world, request_for):
    world.platform.fail_start[GOOD] = "A replica failed to start"
    with pytest.raises(DeployFailed) as error:
        deploy(request_for(), world)
    assert "rollback" not in error.value.hint
    assert "`infercli delete chat` takes it away" in error.value.hint


SAID = """A replica failed to start with exception. Retrying 2 more time(s). Error:
ray::ServeReplica:chat-0b0849:engine.initialize_and_get_metadata() (pid=20483, ip=192.0.2.2)
  File "/ray/serve/_private/replica.py", line 1928, in initialize
    raise RuntimeError(traceback.format_exc()) from None
RuntimeError: Traceback (most recent call last):
  File "/code/engine.zip/infercli_engine/server.py", line 36, in __init__
    raise RuntimeError(f"engine start failed: {cause}") from None
RuntimeError: engine start failed: RuntimeError: Failed to create vLLM engine config: 1 validation error for ModelConfig
max_logprobs
  Input should be greater than or equal to -1 [type=greater_than_equal, input_value=-99, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/greater_than_equal
"""
"""Ray 2.60's and vLLM 0.29's, of `max_logprobs: -99`; the traceback shortened."""


def test_the_cause_comes_first_and_the_rest_is_kept_for_logs(world, request_for):
    deploy(request_for(), world)
    world.platform.fail_start[OTHER] = SAID
    with pytest.raises(DeployFailed) as error:
        deploy(request_for("int8"), world)
    assert error.value.message.splitlines() == [
        f"revision 2 failed at `add`: engine {OTHER} did not start",
        "root cause: RuntimeError: Failed to create vLLM engine config: 1 validation error for ModelConfig",
        "max_logprobs",
        "Input should be greater than or equal to -1 [type=greater_than_equal, input_value=-99, input_type=int]",
        f"{GOOD} serves",
    ]
    assert f"`infercli logs chat --engine {OTHER}` prints all that was said" in error.value.hint
    failed = world.store.entries("chat")[-1].progress
    assert failed.said == SAID.strip()
    assert "Traceback" not in failed.message


@pytest.mark.parametrize("interrupted", [False, True])
def test_who_loses_the_lock_stops_waiting_and_puts_nothing_back_under_the_hands_of_who_has_it(
    world, request_for, monkeypatch, interrupted
):
    deploy(request_for(), world)
    platform = world.platform
    platform.placed_after_s[OTHER] = 1e9

    lost = []

    def check_held(_name):
        if lost:
            raise ReleaseBusy("somebody else took the lock of chat")

    def lose(_):
        lost.append(True)
        for method in ("put", "prepare", "tidy"):
            monkeypatch.setattr(platform, method, lambda *_: pytest.fail("changed what another drives"))
        monkeypatch.setattr(world.store, "progress", lambda name, *_: check_held(name))
        if interrupted:
            monkeypatch.setattr(platform, "applications", raising(KeyboardInterrupt()))

    monkeypatch.setattr(world.store, "check_held", check_held)
    platform.on_put = lose
    began = world.clock.monotonic()
    objects = ({"kind": "NetworkPolicy", "metadata": {"name": "chat"}},)
    with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat") as busy:
        deploy(request_for("int8", objects=objects), world)
    assert interrupted or busy.value.message.startswith("revision 2 was left at `add`: ")
    assert world.clock.monotonic() - began < 1
    assert world.watcher.pending is None  # the error begins a line of its own
    assert world.store.entries("chat")[-1].progress.outcome == "pending"


def test_where_nobody_answers_any_more_the_first_reason_is_told_and_what_to_type(world, request_for, monkeypatch):
    deploy(request_for(), world)
    away = ClusterError("the API server cannot be reached")

    def put(*_):
        for method in ("entries", "progress"):
            monkeypatch.setattr(world.store, method, raising(away))
        raise ClusterError("the API server closed the connection")

    monkeypatch.setattr(world.platform, "put", put)
    with pytest.raises(DeployFailed) as failed:
        deploy(request_for("int8"), world)
    assert "revision 2 failed at `add`: the API server closed the connection; " in failed.value.message
    assert "and this could not be recorded: the API server cannot be reached" in failed.value.message
    assert failed.value.hint.endswith(
        "`infercli status chat` says where it stands; the same command, typed again, goes on from there"
    )


def test_an_end_that_could_not_be_recorded_says_what_serves_and_what_to_type(world, request_for, monkeypatch):
    deploy(request_for(), world)
    progress, away = world.store.progress, ClusterError("the API server cannot be reached")

    def all_but_the_last(name, number, what):
        if what.outcome == "good":
            raise away
        progress(name, number, what)

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "progress", all_but_the_last)
        with pytest.raises(DeployFailed) as failed:
            deploy(request_for("int8"), world)
    assert failed.value.message == (
        f"revision 2 came to its end, and this could not be recorded: the API server cannot be reached\n{OTHER} serves"
    )
    assert "`infercli status chat` says where it stands; `infercli deploy`" in failed.value.hint
    assert deploy(request_for("int8"), world).progress.outcome == "good"
    assert weights(world)[OTHER] == 100


def test_who_cannot_tell_whether_the_lock_is_its_own_says_first_what_was_wrong(world, request_for, monkeypatch):
    deploy(request_for(), world)
    lost = ReleaseBusy("the lock of chat could not be renewed for 30 s, so it may be another's", "look")

    def put(*_):
        monkeypatch.setattr(world.store, "progress", raising(lost))
        raise ClusterError("the API server cannot be reached")

    monkeypatch.setattr(world.platform, "put", put)
    with pytest.raises(ReleaseBusy) as left:
        deploy(request_for("int8"), world)
    assert left.value.message == (
        "revision 2 was left at `add`: the API server cannot be reached; and going back failed: the lock of chat "
        "could not be renewed for 30 s, so it may be another's"
    )
    assert left.value.hint == "look"
