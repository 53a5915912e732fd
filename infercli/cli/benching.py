"""What `infercli bench` does: levels of load, one after another, and the result that is kept of them."""

from __future__ import annotations

import contextlib
import hashlib
import math
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from infercli.cli.bench_in_cluster import check, run_in_cluster
from infercli.cli.endpoint import Aim, aim_at
from infercli.cli.load_options import MAX_TOKENS, headers, understand, warmup_requests
from infercli.cli.model_names import check_models
from infercli.cli.options import Place
from infercli.cli.output import emit, note
from infercli.cli.planned import plan_of, record, with_plan
from infercli.core.bench.levels import USERS, Levels, requests_of
from infercli.core.bench.result import BenchResult, BenchTarget
from infercli.core.bench.search import searched
from infercli.core.bench.sweep import swept
from infercli.core.traces import Api
from infercli.core.units import parse_duration_s
from infercli.errors import ExitCode, InferError, InputError

if TYPE_CHECKING:
    from infercli.adapters.openai_api import OpenAiApi
    from infercli.cli.bench_bar import Bar
    from infercli.cli.watching import Watch
    from infercli.core.bench.levels import BenchRun
    from infercli.core.documents.plan import Plan
    from infercli.core.load.conversation import PromptsUsed
    from infercli.core.load.sending import Sending
    from infercli.loadgen import Interrupts

_ASKED_S = 60.0
"""For what is asked before the load, at most: a list of models takes no more."""
_FILES = ("workload", "objectives", "tokenizer", "plan_path", "deployment_path")
"""Options that may name a file that is read."""
MANY = 512
"""Prompts to begin with for a load that does not say how many it sends (core/load/repeats.py makes more of them)."""


class _Asked(NamedTuple):
    """A benchmark that can begin."""

    aim: Aim
    plan: Plan | None
    watch: Watch
    api: Api
    levels: Levels
    sending: Sending


def bench(where: str | None, *, output: str, save_path: str, **given: Any) -> int:
    """Measure, save, tell. The options are those of the command, by their names."""
    given["headers"] = headers(given["headers"])
    asked = _asked(where, save_path, given)
    result, kept = _measured(asked, given, Path(save_path))
    return _told(result, asked.aim, kept, output)


def _asked(where: str | None, save_path: str, given: dict[str, Any]) -> _Asked:
    """Everything that can be wrong is found here, and the options first, before anybody is asked."""
    from infercli.adapters.files import check_apart, check_writable
    from infercli.cli.sending import mean_turns
    from infercli.cli.watching import Watch

    most = given["max_tokens"] or max(MAX_TOKENS, given["min_tokens"] or 0)
    levels = understand(given, traced=True, max_tokens=most)
    if save_path == "-":
        raise InputError("--save: `-` is no file", "`-o json` prints the result, without its traces")
    loras = _shares(given["loras"])
    turns_said = mean_turns(given["workload"], given["data_format"])
    check_apart(save_path, [given[name] for name in _FILES])
    check_writable(Path(save_path))
    aim = _aim(where, given)
    plan = plan_of(aim, given["plan_path"])
    watch = Watch(given["telemetry"], aim, given["metrics_url"])
    sending = _sending(given, aim, levels, turns_said, loras)
    traced = any(c.at_s is not None for c in sending.conversations)
    turns = fmean(len(c.turns) for c in sending.conversations)
    most = given["max_tokens"] or sending.max_tokens or MAX_TOKENS
    api: Api = sending.api or "chat"
    levels = understand(given | {"api": api}, traced=traced, max_tokens=most, turns=turns)
    if not given["in_cluster"]:
        check_models(_client(aim, given), api, {given["model"], *(c.model for c in sending.conversations)} - {None})
    return _Asked(aim, plan, watch, api, levels, sending)


def _measured(asked: _Asked, given: dict[str, Any], save_path: Path) -> tuple[BenchResult, _Kept]:
    """From the first level until the result is written Ctrl-C and the like are noted, so that nothing is lost.

    Who waits for a Job is told of them (actions/bench_in_cluster.py), and ends it there.
    """
    from infercli.adapters.files import state_home
    from infercli.cli.bench_bar import Bar
    from infercli.core.load.conversation import digest_conversations
    from infercli.loadgen import digest_key, noted

    sending = asked.sending
    used = digest_conversations(sending.conversations, sending.source, digest_key(state_home() / "prompt-key"))
    with contextlib.ExitStack() as watching:
        watching.enter_context(asked.watch)
        with contextlib.nullcontext() if given["in_cluster"] else noted() as interrupts:
            with Bar() as bar:
                ran = _ran(asked, given, bar, interrupts)
                watching.close()  # with its last look at what is watched
            result = _result(asked, used, ran, tuple(name for name, _ in given["headers"]))
            return result, _kept(result, save_path)


def _ran(asked: _Asked, given: dict[str, Any], bar: Bar, interrupts: Interrupts | None) -> BenchRun:
    from infercli.loadgen import Target, run_levels

    aim, levels, sending = asked.aim, asked.levels, asked.sending
    assert aim.model is not None
    how: dict[str, Any] = {"on_level": bar.level, "on_progress": bar.update, "workers": given["workers"]}
    if given["in_cluster"]:
        return run_in_cluster(aim, levels, asked.api, sending, **how)
    target = Target(aim.endpoint, aim.model, asked.api, aim.api_key, headers=given["headers"])
    return run_levels(levels, target, sending, interrupts=interrupts, **how)


def _result(asked: _Asked, used: PromptsUsed, ran: BenchRun, named: tuple[str, ...]) -> BenchResult:
    """`named`: the headers that each request had besides."""
    from infercli import __version__
    from infercli.core.load.sending import cut_prompts, prefix_sent

    aim, plan, watch, api, levels, sending = asked
    assert aim.model is not None
    result = BenchResult(
        infercli_version=__version__,
        started_at=ran.started_at,
        origin_monotonic_ns=ran.origin_monotonic_ns,
        target=BenchTarget(url=aim.endpoint.url, model=aim.model, api=api, release=aim.release, headers=named),
        prompts=used.model_copy(
            update={
                "prefix": prefix_sent(sending, (stage.traces for stage in ran.stages)),
                "cut": cut_prompts(sending, (stage.traces for stage in ran.stages)),
            }
        ),
        objectives=levels.objectives,
        stages=ran.stages,
        searched=searched(ran.stages[1:]) if levels.search else None,
        swept=swept(ran.stages) if levels.sweep else None,
        **watch.fields(ran),
    )
    return result if plan is None else with_plan(result, plan)


class _Kept(NamedTuple):
    """What became of a result."""

    digest: str
    saved: Path | None
    unsaved: InferError | None
    """Why it is not where it was wanted."""


def _kept(result: BenchResult, save_path: Path) -> _Kept:
    from infercli.adapters.result_files import result_json

    with _unbroken():
        text = result_json(result)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return _Kept(digest, *_saved(save_path, text, digest, keep=not result.answered))


def _told(result: BenchResult, aim: Aim, kept: _Kept, output: str) -> int:
    """The result is printed; returns the exit code."""
    from infercli.cli.result_text import as_data, summary

    digest, saved, unsaved = kept
    try:
        record(result, digest, aim)
        emit(as_data(result), output, summary(result))
    except OSError:
        # The answer may go to the disk that is full: what became of the measurement is said all the same.
        if unsaved is not None:
            note(unsaved.message)
        raise
    finally:
        if saved is not None:
            note(f"{saved} has every request with its times")
    if unsaved is not None:
        raise unsaved
    return _verdict(result)


def _saved(path: Path, text: str, digest: str, *, keep: bool) -> tuple[Path | None, InferError | None]:
    """(where the result is, why not where it was wanted): what took an hour to measure is not lost to a full disk.

    Nor to a run that found nothing: `keep` what is there.
    """
    from infercli.adapters.files import write_text

    spare_name = f"{path.stem}-{digest[:12]}.json"
    try:
        if keep and path.exists():
            note(f"nothing was answered: {path} stays as it was")
            path = _spare(spare_name)
        write_text(path, text)
    except InferError as error:
        try:
            spare = _spare(spare_name)
            write_text(spare, text)
        except InferError:
            return None, error
        return spare, error
    return path, None


def _spare(name: str) -> Path:
    """Asked for only where it is needed: a container may have no folder for temporary files that can be written."""
    try:
        return Path(tempfile.gettempdir()) / name
    except OSError as error:
        raise InferError(f"{name} could not be written: {error.strerror}", "export TMPDIR=FOLDER") from error


def _verdict(result: BenchResult) -> int:
    from infercli.core.bench.cautions import failed_many
    from infercli.core.bench.search import holds

    if result.stopped is not None and result.stopped.kind == "interrupted":
        return ExitCode.INTERRUPTED
    silent = result.generates and not any(s.metrics.output_tokens for s in result.stages)
    if not result.answered or silent or result.client_limited:
        return ExitCode.CANNOT_TELL
    if result.searched is not None:
        return ExitCode.of(result.searched.answer)
    held = [holds(s) for s in result.stages if s.goodput is not None]
    if not held and len(result.stages) == 1 and failed_many(result.stages[0]):
        return ExitCode.CANNOT_TELL  # nobody said how many may fail, and the latencies are of the others
    return ExitCode.YES if all(held) else ExitCode.NO


def _aim(where: str | None, given: dict[str, Any]) -> Aim:
    aim = aim_at(where, given["model"], Place(*(given[name] for name in Place._fields)))
    if given["in_cluster"]:
        check(aim)
    elif aim.world is not None and aim.world.platform.kubectl is not None:
        raise InputError(
            f"{aim.release} answers inside the cluster only, at {aim.endpoint.url}",
            f"`infercli bench {aim.release} --in-cluster` measures it from a pod beside it; or "
            f"`{aim.world.platform.kubectl} port-forward service/{aim.release}-serve-svc 8000`, then "
            "`infercli bench http://127.0.0.1:8000` with INFERCLI_API_KEY, which measures the forwarding too",
        )
    return aim if aim.model is not None else aim._replace(model=_client(aim, given).first_model())


def _client(aim: Aim, given: dict[str, Any]) -> OpenAiApi:
    """For what is asked before the load: it waits no longer than a request of the load may."""
    from infercli.adapters.openai_api import OpenAiApi

    timeout_s = min(_ASKED_S, parse_duration_s(given["timeout"] or f"{_ASKED_S:g}s"))
    return OpenAiApi(aim.endpoint, api_key=aim.api_key, timeout_s=timeout_s, headers=given["headers"])


def _sending(
    given: dict[str, Any], aim: Aim, asked: Levels, turns: float | None, loras: dict[str, float] | None
) -> Sending:
    """`turns`: of a conversation on average; None: it is not known before they are read."""
    from infercli.cli.sending import conversations_for, is_trace, tokenizer_for
    from infercli.core.load.repeats import planned
    from infercli.core.load.sending import capped
    from infercli.core.release import serving

    workload, tokens = given["workload"], given["input_len"]
    count = _count(given, turns)
    if count is None and not given["replay"] and is_trace(workload, given["data_format"]):
        # Its texts are made up, gigabytes for a large one: as many as will be sent.
        count = max(map(planned, asked.given), default=MANY)
    lengths = None
    if workload is not None or tokens is not None:
        # Only where lengths are in tokens, and only opened where they are not kept from an earlier run.
        good = serving(aim.world.store.entries(aim.release)) if aim.world is not None and aim.release else None
        model = good.revision.plan.model if good is not None else None
        lengths = tokenizer_for(given["tokenizer"], model=model, endpoint=_client(aim, given), served=aim.model)
    sending = conversations_for(
        workload,
        data_format=given["data_format"],
        words=given["words"],
        input_tokens=tokens,
        output_tokens=given["output_len"],
        loras=loras,
        api=given["api"],
        seed=given["seed"],
        count=count,
        until_s=_until_s(given),
        lengths=lengths,
    )
    return capped(sending, given["max_tokens"]) if given["max_tokens"] else sending


def _count(given: dict[str, Any], turns: float | None) -> int | None:
    """How many conversations to have at hand; None: all that a file has, and 64 of those that are written here."""
    requests, users = given["requests"], max(given["concurrency"], default=None)
    by_time = given["duration"] or given["sweep"] or given["rate"] or given["slos"]
    if given["replay"] or (not requests and (turns is None or (given["workload"] is not None and by_time))):
        return int(requests) if requests else None
    if requests is None and by_time:
        return MANY
    wanted = int(requests or requests_of(users))
    if turns is not None and turns > 1 and not given["rate"]:
        # Of a closed loop every turn is a request, and every user has a conversation of its own.
        wanted = min(wanted, max(math.ceil(wanted / turns), users or USERS))
    return wanted + warmup_requests(given)


def _until_s(given: dict[str, Any]) -> float | None:
    """How much of a trace a replay comes to, in the trace's own time; None: all of it."""
    if not given["replay"] or given["duration"] is None:
        return None
    return parse_duration_s(given["duration"]) * (given["speed"] or 1.0)


def _shares(given: Sequence[str]) -> dict[str, float] | None:
    """`--lora sql=1 --lora base=3`: which adapter takes which share."""
    wrong, shares = [], {}
    for text in given:
        name, _, share = text.partition("=")
        try:
            shares[name] = float(share or 1)
        except ValueError:
            wrong.append(f"--lora {text}: `{share}` is no number")
            continue
        if not name or shares[name] <= 0:
            wrong.append(f"--lora {text}: write NAME=SHARE, with a share above 0")
    if wrong:
        raise InputError("\n".join(wrong), "for example --lora sql=1 --lora base=3")
    return shares or None


@contextlib.contextmanager
def _unbroken() -> Iterator[None]:
    """Inside, Ctrl-C and the like wait: what was measured is being written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
