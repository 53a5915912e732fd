"""Run a benchmark as a Job beside its endpoint, and bring its result home through its log.

Whatever happens, nothing is left in the cluster: the Job is deleted when its result was read, when it failed, and on
Ctrl-C, which ends the load early and keeps what was measured, as it does on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from infercli.actions.ports import BenchRunner, Clock, Watcher
from infercli.actions.waiting import UNREACHABLE_S, Since, Told
from infercli.core.bench.job_log import JobLog
from infercli.core.bench.levels import BenchRun
from infercli.core.record import Json
from infercli.core.release.observed import JobEnd, JobState
from infercli.core.units import duration
from infercli.errors import ClusterError, EndpointError, InferError, InputError, TimedOut

POLL_S = 0.5
"""Between two looks at the Job while its pod is awaited."""
AGAIN_S = 1.0
"""Before the log is asked for again."""
STUCK_S = 60.0
"""For what seldom passes: the kubelet tries to pull an image three or four times in it."""
PLACED_S = 15 * 60.0
"""For a pod to run: a node that an autoscaler adds comes within 5 minutes, and pulls an image of 10 GB in as many."""
LAST_TRIES = 3
"""To read the log of a Job that has ended, where it breaks off."""
STOP_S = 90.0
"""For the result after Ctrl-C: the pod has 60 s to end (GRACE_S in render/bench_job.py)."""

OnEvent = Callable[[str, Json], None]
"""Name and value of what the Job says of itself: `level`, `progress`."""

_KINDS: dict[str, type[InferError]] = {"InputError": InputError, "EndpointError": EndpointError}
"""Of errors that are told from inside the Job."""

_HINTS: dict[JobEnd, str] = {
    "memory": "lower the load, or measure fewer requests (each is kept with all its times until the end)",
    "evicted": "run it again; an eviction for memory or disk is the node's: `{kubectl} describe node` says what lacks",
    "deadline": "ask for fewer levels or fewer requests",
    "gone": "run it again; was its node drained, or did somebody delete it?",
    "failed": "is it the engine's image, with Python and pydantic in it?",
    "done": "run it again; if it comes again, report it",
}


def bench_in_cluster(bench: BenchRunner, clock: Clock, watcher: Watcher, on_event: OnEvent) -> BenchRun:
    """Returns what was measured. Raises ClusterError, InputError, EndpointError, TimedOut, each with what to do.

    The first KeyboardInterrupt ends the load and returns what it brought; where that is nothing it is raised again.
    """
    watcher.step(f"start {bench.what} in {bench.where}")
    try:
        bench.start()
        _until_running(bench, clock, watcher)
        ran = _run_of(_read(bench, clock, on_event))
        if ran.stages[-1].interrupted:
            watcher.note(f"the pod of {bench.what} was told to end: was its node drained, or its deadline reached?")
        return ran
    except KeyboardInterrupt:
        log = _stop(bench, clock, watcher)
        if not log.complete:
            raise
        return _run_of(log)
    finally:
        watcher.done()
        _remove(bench, watcher)


def _until_running(bench: BenchRunner, clock: Clock, watcher: Watcher) -> None:
    began = clock.monotonic()
    stuck, told = Since(clock), Told(clock, watcher)
    while True:
        state = _looked(bench, clock)
        if state.step != "waiting":
            watcher.done()
            return
        told(state.trouble)
        why = "; ".join(state.trouble) or "nobody says why"
        if stuck(state.stuck) >= STUCK_S:
            raise ClusterError(f"the pod of {bench.what} does not come up: {why}", _hint_of(why, bench.kubectl))
        waited_s = clock.monotonic() - began
        if waited_s >= PLACED_S:
            raise TimedOut(
                f"gave up after {duration(PLACED_S)}, waiting for the pod of {bench.what}: {why}",
                _hint_of(why, bench.kubectl),
            )
        watcher.detail(", ".join(["its pod is awaited", *state.trouble, duration(waited_s)]))
        clock.sleep(POLL_S)


def _hint_of(why: str, kubectl: str) -> str:
    if "ImagePull" in why or "InvalidImage" in why or "ErrImage" in why:
        return (
            "the Job runs the engine's image on a node without GPUs: can that node reach the registry, and do "
            "kubernetes.image_pull_secrets in deployment.yaml name the Secret for it?"
        )
    if "exceeded quota" in why:
        return f"`{kubectl} describe resourcequota` shows what is used and what is left"
    return (
        f"it asks for CPUs and memory on a node without the taint of GPUs; `{kubectl} get nodes` shows which there are"
    )


def _looked(bench: BenchRunner, clock: Clock) -> JobState:
    """`bench.look`, forgiving a silent API server for as long as a deploy does."""
    silence = Since(clock)
    while True:
        try:
            return bench.look()
        except ClusterError:
            if silence(so=True) > UNREACHABLE_S:
                raise
            clock.sleep(POLL_S)


def _read(bench: BenchRunner, clock: Clock, on_event: OnEvent) -> JobLog:
    """The whole log, asked for again from its beginning as often as the connection breaks; raises why it lacks."""
    passed = _Passed(on_event)
    state: JobState | None = None
    tries = 0
    silence = Since(clock)
    while True:
        log = JobLog()
        broken = _follow(bench.log, log, passed)
        if broken is None or log.lines:
            silence(so=False)
        elif state is not None and state.step != "ended" and silence(so=True) > UNREACHABLE_S:
            raise broken  # a log that may not be read never comes, however long the pod runs
        if log.complete:
            return log
        if log.error is not None:
            raise _error_of(log.error)
        if state is not None and state.step == "ended":
            # After its end it was read to its end: there is no more. Of a pod that is gone there is no log at all.
            tries += 1
            if broken is None or tries == LAST_TRIES:
                raise _why_not(bench, log, state)
        # The log ends a moment before the API server says so.
        state = _looked(bench, clock)
        clock.sleep(AGAIN_S)


def _follow(opened: Callable[[], Iterator[str]], log: JobLog, on_event: OnEvent) -> ClusterError | None:
    """Read until the result is whole or the log ends; what broke the connection, if anything did."""
    try:
        for line in opened():
            event = log.feed(line)
            if event is not None:
                on_event(*event)
            if log.complete:
                break
    except ClusterError as error:
        return error
    return None


class _Passed:
    """Events, once each: a log that is read again says the same levels again."""

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event, self.level = on_event, -1

    def __call__(self, name: str, value: Json) -> None:
        if name == "level":
            if value["number"] <= self.level:
                return
            self.level = value["number"]
        self.on_event(name, value)


def _error_of(error: Json) -> InferError:
    return _KINDS.get(error["kind"], InferError)(error["message"], error["hint"])


def _why_not(bench: BenchRunner, log: JobLog, state: JobState) -> InferError:
    said = f": {state.message}" if state.message else ""
    if log.begun:
        return ClusterError(
            f"{bench.what} measured, and its result was lost on the way: {_problem(log)}",
            "the node rotated the log before it was read (containerLogMaxSize of its kubelet, 10 MiB by default): "
            "fewer requests, smaller --max-tokens, or one level at a time",
        )
    ended = state.ended or "gone"
    happened = {
        "done": "ended without a result",
        "failed": "failed",
        "memory": "took more memory than its limit and was killed",
        "evicted": "was evicted from its node",
        "deadline": "reached its deadline before its result was written",
        "gone": "is gone before its result was read",
    }[ended]
    tail = "\n".join(("", *log.tail)) if ended in ("failed", "done") and log.tail else ""
    kind = TimedOut if ended == "deadline" else ClusterError
    return kind(f"{bench.what} {happened}{said}{tail}", _HINTS[ended].format(kubectl=bench.kubectl))


def _problem(log: JobLog) -> str:
    try:
        log.result()
    except ValueError as error:
        return str(error)
    return "nothing"


def _run_of(log: JobLog) -> BenchRun:
    try:
        return BenchRun.model_validate_json(log.result())
    except ValueError as error:
        raise ClusterError(f"the Job's result cannot be used: {error}", "run it again") from None


def _stop(bench: BenchRunner, clock: Clock, watcher: Watcher) -> JobLog:
    """After Ctrl-C: the log is opened, then the Job deleted, whose program then writes what it has measured."""
    log = JobLog()
    try:
        if bench.look().step != "running":
            return log
        watcher.step(f"end {bench.what}; what it has measured is kept (Ctrl-C again: it is not)")
        lines = bench.log()
        bench.remove()
    except InferError:
        return log  # nothing can be had any more: the interruption is what is told
    until = clock.monotonic() + STOP_S

    def in_time() -> Iterator[str]:
        for line in lines:
            yield line
            if clock.monotonic() > until:
                return

    _follow(in_time, log, lambda _name, _value: None)
    return log


def _remove(bench: BenchRunner, watcher: Watcher) -> None:
    try:
        bench.remove()
    except InferError as error:
        watcher.note(f"{bench.what} could not be deleted ({error.message}); an hour after its end it goes by itself")
