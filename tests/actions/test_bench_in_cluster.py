"""The Job's life with every way in which it can go wrong; the clock is a fake, so nobody waits."""

from __future__ import annotations

import pytest

from infercli.actions.bench_in_cluster import PLACED_S, STOP_S, STUCK_S, bench_in_cluster
from infercli.actions.waiting import UNREACHABLE_S
from infercli.core.bench.job_log import event_line, result_lines
from infercli.core.bench.levels import BenchRun
from infercli.core.release.observed import JobState
from infercli.core.traces import Stop
from infercli.errors import ClusterError, EndpointError, ExitCode, InferError, InputError, TimedOut
from tests.core.bench.test_sweep import users
from tests.fakes.platform import FakeClock, Quiet

WAITING, RUNNING = JobState("waiting"), JobState("running")
DONE = JobState("ended", ended="done")


def run(stopped=None):
    stage = users(2, most=8).model_copy(update={"stopped": stopped})
    return BenchRun(started_at="2026-01-02T03:04:05Z", origin_monotonic_ns=7, stages=(stage,))


def level(number):
    return event_line("level", {"number": number, "load": {}, "why": None})


PROGRESS = event_line("progress", {"done": 1})
RESULT = list(result_lines(run().model_dump_json().encode()))
INTERRUPTED = list(result_lines(run(Stop(kind="interrupted")).model_dump_json().encode()))


class FakeBench:
    """`states`: one after another, the last for ever. `logs`: what each reading of the log gives; an exception in it is
    raised there, and the last reading repeats."""

    what, where = "Job chat-bench-1", "a fake"
    kubectl = "kubectl --context prod -n chat"

    def __init__(self, states, logs, *, start=None):
        self.states, self.logs, self.fault = list(states), [list(log) for log in logs], start
        self.readings = self.removed = 0
        self.calls = []

    def start(self):
        self.calls.append("start")
        if self.fault is not None:
            raise self.fault

    def look(self):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, BaseException):
            raise state
        return state

    def log(self):
        self.calls.append("log")
        lines = self.logs[min(self.readings, len(self.logs) - 1)]
        self.readings += 1

        def read():
            for line in lines:
                if isinstance(line, BaseException):
                    raise line
                yield line

        return read()

    def remove(self):
        self.calls.append("remove")


def measured(bench, clock=None, watcher=None):
    events = []
    result = bench_in_cluster(
        bench, clock or FakeClock(), watcher or Quiet(), lambda name, value: events.append((name, value))
    )
    return result, events


def fails(bench, kind=ClusterError):
    with pytest.raises(kind) as failed:
        measured(bench)
    assert bench.calls[-1] == "remove"
    return failed.value


def test_the_result_is_read_from_the_log_and_nothing_is_left():
    bench = FakeBench([WAITING, WAITING, RUNNING], [[level(0), PROGRESS, *RESULT]])
    result, events = measured(bench)
    assert result == run()
    assert [name for name, _ in events] == ["level", "progress"]
    assert bench.calls == ["start", "log", "remove"]


def test_how_long_the_pod_was_awaited_is_gone_before_anything_is_told():
    watcher = Quiet()
    pending = []
    bench = FakeBench([WAITING, RUNNING], [[level(0), *RESULT]])
    bench_in_cluster(bench, FakeClock(), watcher, lambda _name, _value: pending.append(watcher.pending))
    assert pending == [None]


def test_a_connection_that_breaks_is_made_again_and_every_level_is_told_once():
    broken = ClusterError("the API server closed the connection")
    logs = [[level(0), PROGRESS, broken], [level(0), level(1), *RESULT[:-1]], [level(0), level(1), level(2), *RESULT]]
    result, events = measured(FakeBench([RUNNING], logs))
    assert result == run()
    assert [value["number"] for name, value in events if name == "level"] == [0, 1, 2]


def test_an_api_server_that_is_silent_for_a_while_is_waited_for():
    silent = [ClusterError("no answer")] * 20
    bench = FakeBench([WAITING, *silent, RUNNING], [RESULT])
    assert measured(bench)[0] == run()
    bench = FakeBench([ClusterError("no answer")], [RESULT])
    assert fails(bench).message == "no answer"


def test_why_the_pod_waits_is_told_once_it_lasts():
    unplaced = JobState("waiting", ("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu",))
    watcher = Quiet()
    measured(FakeBench([unplaced] * 60 + [RUNNING], [RESULT]), watcher=watcher)
    assert watcher.said.count("note: Unschedulable: 0/3 nodes are available: 3 Insufficient cpu") == 1


def test_an_image_that_cannot_be_pulled_ends_the_wait_after_a_minute():
    reason = 'ImagePullBackOff: Back-off pulling image "registry.example/ray-vllm@sha256:1"'
    clock, watcher = FakeClock(), Quiet()
    bench = FakeBench([JobState("waiting", (reason,), stuck=True)], [[]])
    with pytest.raises(ClusterError, match="ImagePullBackOff") as failed:
        measured(bench, clock, watcher)
    assert watcher.pending is None  # the error begins a line of its own
    assert STUCK_S <= clock.time < STUCK_S + 5
    assert "image_pull_secrets" in failed.value.hint
    assert bench.calls == ["start", "remove"]


def test_a_pull_that_works_after_all_is_no_failure():
    stuck = JobState("waiting", ("ErrImagePull: a registry that is busy",), stuck=True)
    assert measured(FakeBench([stuck] * 50 + [WAITING] + [stuck] * 100 + [RUNNING], [RESULT]))[0] == run()


def test_a_pod_that_finds_no_node_is_given_up_in_the_schedulers_words():
    clock = FakeClock()
    bench = FakeBench([JobState("waiting", ("Unschedulable: 0/1 nodes are available",))], [[]])
    with pytest.raises(TimedOut, match=r"after 15 min.*0/1 nodes are available"):
        measured(bench, clock)
    assert PLACED_S <= clock.time < PLACED_S + 5


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("Unschedulable: 0/1 nodes are available", "get nodes"),
        ('pods "chat-bench-1" is forbidden: exceeded quota: small', "describe resourcequota"),
    ],
)
def test_what_to_look_at_while_a_pod_waits_is_in_the_cluster_where_it_waits(reason, command):
    bench = FakeBench([JobState("waiting", (reason,))], [[]])
    assert f"`{bench.kubectl} {command}`" in fails(bench, TimedOut).hint


@pytest.mark.parametrize(
    ("ended", "message", "said", "hint"),
    [
        ("memory", "OOMKilled, code 137", "took more memory than its limit and was killed", "lower the load"),
        (
            "evicted",
            "Evicted: The node was low on resource: memory",
            "was evicted from its node",
            f"`{FakeBench.kubectl} describe node`",
        ),
        ("gone", "the Job was deleted", "is gone before its result was read", "run it again"),
        ("failed", "Error, code 1", "failed: Error, code 1", "Python and pydantic"),
        ("done", "", "ended without a result", "report it"),
    ],
)
def test_each_end_without_a_result_says_what_happened_and_what_to_do(ended, message, said, hint):
    bench = FakeBench([RUNNING, JobState("ended", ended=ended, message=message)], [[level(0), PROGRESS]])
    failed = fails(bench)
    assert said in failed.message
    assert message in failed.message
    assert hint in failed.hint


def test_a_deadline_that_passed_has_the_exit_code_of_one():
    bench = FakeBench([RUNNING, JobState("ended", ended="deadline", message="Job was active too long")], [[level(0)]])
    assert fails(bench, TimedOut).exit_code == ExitCode.TIMED_OUT


def test_a_program_that_broke_shows_its_traceback():
    trace = ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'pydantic'"]
    bench = FakeBench([RUNNING, JobState("ended", ended="failed", message="Error, code 1")], [trace])
    assert fails(bench).message.endswith("\n".join(trace))


def test_a_pod_without_a_log_is_no_endless_wait():
    none = ClusterError("Job chat-bench-1 has no pod, so no log")
    assert "was evicted" in fails(FakeBench([RUNNING, JobState("ended", ended="evicted")], [[none]])).message


def test_a_log_that_may_not_be_read_is_said_while_the_pod_still_runs():
    clock = FakeClock()
    refused = ClusterError("not allowed to read the log of Pod chat-bench-1-x")
    bench = FakeBench([RUNNING], [[refused]])
    with pytest.raises(ClusterError, match="not allowed to read the log"):
        measured(bench, clock)
    assert UNREACHABLE_S < clock.time < UNREACHABLE_S + 10
    assert bench.calls[-1] == "remove"
    # One that breaks off now and then is another thing, however long that goes on.
    broken = ClusterError("the API server closed the connection")
    assert measured(FakeBench([RUNNING], [[level(0), broken]] * 100 + [RESULT]))[0] == run()


def test_a_log_that_was_rotated_says_so_instead_of_half_a_result():
    bench = FakeBench([RUNNING, DONE], [[level(0), *RESULT[1:]]])
    failed = fails(bench)
    assert "its result was lost on the way: the result is not whole" in failed.message
    assert "fewer requests" in failed.hint


def test_a_log_that_was_changed_is_not_believed():
    other = list(result_lines(run().model_dump_json().encode() + b" "))
    bench = FakeBench([RUNNING, DONE], [[*RESULT[:-1], other[-1]]])
    assert "its checksum is another" in fails(bench).message


def test_what_the_job_says_went_wrong_is_raised_as_what_it_is():
    def told(kind):
        return [event_line("error", {"kind": kind, "message": "what happened", "hint": "what to do"})]

    for kind, expected in (("EndpointError", EndpointError), ("InputError", InputError), ("Other", InferError)):
        failed = fails(FakeBench([RUNNING], [told(kind)]), expected)
        assert (type(failed), failed.message, failed.hint) == (expected, "what happened", "what to do")


def test_where_it_may_not_be_created_nothing_is_awaited():
    bench = FakeBench([RUNNING], [RESULT], start=ClusterError("not allowed to create Job chat-bench-1"))
    assert "not allowed" in fails(bench).message
    assert bench.calls == ["start", "remove"]


def test_ctrl_c_ends_the_load_and_keeps_what_was_measured():
    bench = FakeBench([RUNNING], [[level(0), PROGRESS, KeyboardInterrupt()], [level(0), PROGRESS, *INTERRUPTED]])
    result, _ = measured(bench)
    assert result == run(Stop(kind="interrupted"))
    # The log is open before the pod is told to end: of a pod that is gone it could not be had.
    assert bench.calls == ["start", "log", "log", "remove", "remove"]


def test_ctrl_c_while_the_pod_is_awaited_takes_everything_away():
    bench = FakeBench([WAITING, KeyboardInterrupt(), WAITING], [[]])
    with pytest.raises(KeyboardInterrupt):
        measured(bench)
    assert bench.calls == ["start", "remove"]


def test_a_second_ctrl_c_waits_for_nothing():
    bench = FakeBench([RUNNING], [[level(0), KeyboardInterrupt()], [level(0), KeyboardInterrupt()]])
    with pytest.raises(KeyboardInterrupt):
        measured(bench)
    assert bench.calls[-1] == "remove"


def test_after_ctrl_c_a_pod_that_does_not_end_is_left_after_a_while():
    clock = FakeClock()

    class Slow(FakeBench):
        def log(self):
            lines = super().log()
            if self.readings == 1:
                return lines

            def endless():
                while True:
                    clock.sleep(1)
                    yield PROGRESS

            return endless()

    with pytest.raises(KeyboardInterrupt):
        measured(Slow([RUNNING], [[level(0), KeyboardInterrupt()]]), clock)
    assert STOP_S < clock.time < STOP_S + 5


def test_a_result_that_somebody_else_cut_short_is_kept_and_said():
    watcher = Quiet()
    result, _ = measured(FakeBench([RUNNING], [INTERRUPTED]), watcher=watcher)
    assert result == run(Stop(kind="interrupted"))
    assert any("was told to end" in said for said in watcher.said)


def test_a_job_that_cannot_be_deleted_is_named_and_the_result_stands():
    class Stays(FakeBench):
        def remove(self):
            raise ClusterError("the API server is too busy to delete Job chat-bench-1")

    watcher = Quiet()
    assert measured(Stays([RUNNING], [RESULT]), watcher=watcher)[0] == run()
    assert any("could not be deleted" in said and "an hour" in said for said in watcher.said)
