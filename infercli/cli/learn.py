"""`infercli learn`: start-up logs and results of bench become infercli-learned.json, beside what was predicted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.output import columns, emit, fits, note, paragraph
from infercli.errors import ExitCode, InputError, InvalidFile

if TYPE_CHECKING:
    from infercli.core.bench.result import BenchResult
    from infercli.core.documents.plan import Plan
    from infercli.core.estimates.answer import Estimate
    from infercli.core.estimates.learning import LearnedRun, LearnedRuns
    from infercli.core.record import Json


@click.command()
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False))
@click.option("--show", is_flag=True, help="List what was learned.")
@click.option("--gpu", help="The GPU of these runs; logs do not name it.")
@click.option("--plan", type=click.Path(dir_okay=False), help="plan.json of the release that was benchmarked.")
@click.option("--model", help="Model id, where a log has only a path.")
@click.option("--config-path", help="config.json of the model, where its shape does not ship with infercli.")
@click.option("--hf-quant-config-path", help="hf_quant_config.json, where it is not beside it.")
@click.option("--engine-version", help="Of vLLM, where a file does not say it (/metrics never does).")
@click.option("--tensor-parallel-size", type=click.IntRange(1), help="Where a file does not say it.")
@click.option("--gpu-memory-utilization", type=float, help="Where a file does not say it.")
@options.common
def command(files: tuple[str, ...], show: bool, output: str, plan: str | None, **given: object) -> int:
    """Learn from start-up logs and benchmarks how far estimates of memory and speed are off here.

    Reads logs of vLLM 0.6 and later, saved answers of its /metrics, and results of `infercli bench` (which do not name
    the engine: say it with --plan, or with flags). What each run printed or measured is kept beside what was predicted,
    in ./infercli-learned.json; delete that file to forget it.

    Later plans and estimates with the same architecture, GPU, engine version, quantization and split have their memory
    corrected by the mean error. Estimates also say what benchmarks of a similar load make of the speed.

    \b
    Examples:
      infercli learn startup.log --gpu H100
      kubectl logs deploy/chat | infercli learn - --gpu L40S
      infercli learn result.json --plan plan.json
      infercli learn --show
    """
    from infercli.cli.project import LEARNED_FILE, load_learned
    from infercli.core.engines import RAY_SERVICE_ENGINE as PLANNED
    from infercli.core.estimates.learning import LearnedRuns, minor
    from infercli.core.units import counted

    had = load_learned(Path()) or LearnedRuns()
    if show:
        return _report(had.runs, had, output)
    if not files:
        raise InputError(
            "there is nothing to learn from", "name start-up logs or bench results, `-` for stdin, or --show"
        )
    from infercli.adapters.files import alone_with, to_json, write_text

    known = {name: value for name, value in given.items() if value is not None}
    runs = tuple(run for file in files for run in _learn(file, known, plan))
    path = Path(LEARNED_FILE)
    with alone_with(path):
        # Read only now: reading logs took a while, and others learned meanwhile.
        learned = (load_learned(Path()) or LearnedRuns()).with_runs(runs)
        write_text(path, to_json(learned.model_dump(mode="json")))
    note(f"{LEARNED_FILE} is written: it has {counted(len(learned.runs), 'run')}")
    for version in sorted({run.engine_version for run in runs if minor(run.engine_version) != minor(PLANNED)}):
        moved = f"`infercli estimate --engine-version {version}`"
        note(f"of vLLM {version}: it moves {moved}, and no plan: those are of {PLANNED}")
    return _report(runs, learned, output)


def _read(file: str) -> bytes:
    from infercli.adapters.files import reading

    if file == "-":
        return sys.stdin.buffer.read()
    with reading(Path(file)):
        return Path(file).read_bytes()


def _learn(file: str, known: dict[str, Json], plan: str | None) -> list[LearnedRun]:
    import hashlib

    from infercli.core.estimates.learning import SAID_FIRST, learn, question_of, uncounted
    from infercli.core.estimates.startup_log import read_startup_log, start_in

    data = _read(file)
    result = _bench_result(file, data)
    if result is not None:
        return _learn_levels(file, hashlib.sha256(data).hexdigest(), result, known, _read_plan(plan))
    text = data.decode("utf-8", errors="replace")
    log = read_startup_log(text)
    if log is None:
        raise InputError(
            f"{file}: prints no memory of vLLM, and is no result of `infercli bench`",
            "a whole start-up log has `Model loading took`, `Available KV cache memory` or `GPU KV cache size` in it",
        )
    if "gpu" not in known:
        raise InputError(
            f"{file}: no log names its GPU", "add --gpu, for example --gpu H100; `infercli gpus` lists them"
        )
    unsaid = [f"--{name.replace('_', '-')}" for name in SAID_FIRST if getattr(log, name) is None and name not in known]
    if unsaid:
        raise InputError(
            f"{file}: does not say how the engine was started, as /metrics and the end of a log do not",
            f"take the whole log, or add {' and '.join(unsaid)}",
        )
    beyond = uncounted(log)
    if beyond is not None:
        raise InputError(
            f"{file}: a start with {beyond}, which is not counted here: what it printed says nothing of other starts",
            "learn from the log of a start without it",
        )
    answer = _answer(file, question_of(log, _pinned(log.model, known) | known))
    return [learn(log, answer, digest=hashlib.sha256(start_in(text).encode()).hexdigest(), source=file)]


def _learn_levels(
    file: str, digest: str, result: BenchResult, known: dict[str, Json], plan: Plan | None
) -> list[LearnedRun]:
    """A run of each level of load that says something about the engine's speed; the others are named.

    Raises InputError where none does.
    """
    import hashlib

    from infercli.core.bench.learned_speed import learn_speed, question_of

    adapters = {t.model for t in result.traces} - {None, result.target.model}
    if adapters:
        raise InputError(
            f"{file}: some requests asked {', '.join(sorted(map(str, adapters)))} and not {result.target.model}: "
            "how fast an engine is with adapters says nothing of the model alone",
            "benchmark it without --lora",
        )
    runs = []
    refused: InputError | None = None
    for index, stage in enumerate(result.stages):
        of_level = digest if len(result.stages) == 1 else hashlib.sha256(f"{digest}/{index}".encode()).hexdigest()
        try:
            answer = _answer(file, question_of(result, stage, plan, known))
            runs.append(learn_speed(stage, answer, digest=of_level, source=file))
        except InputError as error:
            refused = error
            if len(result.stages) > 1:
                note(f"{file}: {stage.load.label}: nothing is learned: {error.message}")
    if not runs and refused is not None:
        if not isinstance(refused, InvalidFile):  # which names it
            refused.message = f"{file}: {refused.message}"
        raise refused
    return runs


def _answer(file: str, question: dict[str, Json]) -> Estimate:
    from infercli.cli.estimating import Answers
    from infercli.core.estimates.answer import EstimateError

    answer = Answers().answer(question)
    if isinstance(answer, EstimateError):
        named = any(p.where == "model" for p in answer.problems)
        hint = (
            "--model names it as `infercli models` lists it, or --config-path its config.json" if named else answer.hint
        )
        raise InvalidFile(file, [(p.where, p.what) for p in answer.problems], hint)
    return answer


def _bench_result(file: str, data: bytes) -> BenchResult | None:
    """A result of `infercli bench`; None where the file is something else. Raises InvalidFile for a broken one."""
    from infercli.adapters.files import parse_document
    from infercli.core.bench.result import BenchResult

    try:
        value = json.loads(data) if data.lstrip().startswith(b"{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("kind") != "BenchResult":
        return None
    return parse_document(value, BenchResult, file)


def _read_plan(plan: str | None) -> Plan | None:
    from infercli.adapters.files import read_document
    from infercli.core.documents.plan import Plan

    return None if plan is None else read_document(Path(plan), Plan, "`infercli plan` writes it")


def _pinned(served: str | None, known: dict[str, Json]) -> dict[str, Json]:
    """The config of the project's pinned model that an engine served as `/models/<commit>`; empty for any other."""
    from infercli.cli.project import load_lock

    if served is None or {"model", "config_path"} & set(known):
        return {}
    name = served.rstrip("/").rpartition("/")[2]
    for model in load_lock(Path()).models:
        if name in (model.commit, model.content_digest[:40]) or served in (model.id, model.directory):
            return {"model": model.id, "config": model.whole_config}
    return {}


def _report(runs: tuple[LearnedRun, ...], learned: LearnedRuns, output: str) -> int:
    from infercli.core.units import GIB

    rows = [
        (*_run(run), r.term, f"{r.predicted_bytes / GIB:z.2f} GiB", f"{r.printed_bytes / GIB:z.2f} GiB",
         f"{r.off_bytes / GIB:+z.2f} GiB", run.source)
        for run in runs
        for r in run.residuals
    ]  # fmt: skip
    rows += [
        (*_run(run), r.quantity, f"{r.predicted:.4g}", f"{r.measured:.4g}", f"x {r.ratio:.2f}", run.source)
        for run in runs
        for r in run.speeds
    ]
    header = ("MODEL", "GPU", "SPLIT", "VLLM", "QUANTIZATION", "OF", "PREDICTED", "FOUND", "OFF", "FROM")
    text = columns(rows, header) if rows else "nothing was learned yet: `infercli learn startup.log --gpu H100`"
    if not fits(text):
        text = _by_run(rows, header)
    emit(learned.model_dump(mode="json"), output, text)
    return ExitCode.YES


def _by_run(rows: list[tuple[str, ...]], header: tuple[str, ...]) -> str:
    """The same rows for a narrow terminal: each run in a line, and what it taught below."""
    runs: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in rows:
        runs.setdefault((*row[:5], row[-1]), []).append(row[5:-1])
    parts = []
    for (model, gpu, split, version, quantization, source), terms in runs.items():
        title = paragraph(f"{model} on {gpu}, {split}, vLLM {version}, {quantization}, from {source}")
        parts.append(f"{title}\n{columns(terms, header[5:-1], '  ')}")
    return "\n\n".join(parts)


def _run(run: LearnedRun) -> tuple[str, ...]:
    split = f"TP{run.tensor_parallel_size}"
    return (run.model, run.gpu, split, run.engine_version, run.quantization)
