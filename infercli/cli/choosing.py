"""`infercli plan` with a load and objectives: which search the flags mean, and what it chose as a command.

The one thing to know: everything that is wrong with a command line is said at once, so each flag is looked at although
an earlier one failed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infercli.adapters.files import price_list
from infercli.cli.output import emit
from infercli.cli.search_flags import Typed, check_prefixes, check_whole_numbers, refuse
from infercli.errors import ExitCode, InputError, UnknownName

if TYPE_CHECKING:
    from infercli.core.choice.question import Hardware, Question
    from infercli.core.choice.selection import Selection
    from infercli.core.documents.deployment import ModelDeployment
    from infercli.core.documents.prices import PriceList
    from infercli.core.documents.workload import Workload
    from infercli.core.estimates.model import Model
    from infercli.core.estimates.problems import Problems
    from infercli.core.estimates.request import Traffic


_UNITS = {"ms": 1.0, "s": 1000.0}
"""Of an objective, in ms."""


_NOT_WEIGHED = {
    "speculative_config": (
        "a search does not weigh speculation: its speed depends on how much of the drafts is accepted",
        "leave it out of a search; `infercli plan` with one profile plans its memory",
    ),
    "kv_cache_memory_bytes": (
        "a search finds what each configuration leaves for the KV cache",
        "leave it out of a search; `infercli plan` with one profile plans it",
    ),
}
"""engine_args that a plan takes and a search does not: why, and what to do."""


def run(typed: Typed, output: str) -> int:
    """Search and print. Exit code 0: something holds; 3: nothing does; 4: it cannot be told.

    Of the latter two the changes that would hold are printed.
    """
    from infercli.cli.choosing_text import text
    from infercli.cli.progress import working
    from infercli.core.choice.answer import selection
    from infercli.core.choice.changes import changes
    from infercli.core.choice.search import Search
    from infercli.core.estimates.problems import Problems

    problems = Problems()
    with typed.in_its_words():
        deployment = _deployment(typed, problems)
        args = _engine_args(typed, deployment, problems)
        search = Search(_question(typed, deployment, args, problems))
    with working("searching"):
        found = selection(search)

    def named(*names: str) -> tuple[Hardware, ...]:
        """The hardware of these names; what cannot be had is left out."""
        return _hardware(names, price_list(typed.project), args, typed.project, Problems())

    if found.chosen is None:
        with working("looking for a change that would hold"):
            offered = changes(search, named(), lambda name: next(iter(named(name)), None))
        found = found.model_copy(update={"changes": offered})
    else:
        found = found.model_copy(update={"command": command_of(typed, found)})
    emit(found.model_dump(mode="json") if output != "text" else None, output, text(found) if output == "text" else "")
    return ExitCode.of(found.holds)


# What was typed.


def _deployment(typed: Typed, problems: Problems) -> ModelDeployment | None:
    """The deployment file; None where a MODEL was typed."""
    from infercli.cli.project import load_deployment

    if typed.model is None:
        return load_deployment(typed.deployment_path)
    if typed.deployment_path is not None:
        problems.add("--file", "says what to plan a second time, beside MODEL", "give one of them")
    return None


def _engine_args(typed: Typed, deployment: ModelDeployment | None, problems: Problems) -> dict[str, Any]:
    """Those of the file, with what was typed in their place."""
    from infercli.core.engines import RAY_SERVICE_ENGINE
    from infercli.core.engines.arguments import problems as argument_problems
    from infercli.core.engines.arguments import unplanned

    args = {**(deployment.engine_args if deployment else {}), **typed.engine_args}
    for where, what in argument_problems(args, RAY_SERVICE_ENGINE):
        problems.add(where, what)
        # A word may stand where a number must: nothing is reckoned with it.
        args.pop(where.split(".")[1], None)
    check_whole_numbers(typed, args, problems)
    left_out = unplanned(args, "gpu")
    for name in left_out:
        problems.add(
            f"engine_args.{name}", "changes memory in a way that is not planned yet", "leave it out of a search"
        )
    for name, (what, hint) in _NOT_WEIGHED.items():
        if args.get(name) and name not in left_out:
            problems.add(f"engine_args.{name}", what, hint)
    return args


def _question(typed: Typed, deployment: ModelDeployment | None, args: dict[str, Any], problems: Problems) -> Question:
    """The search that is meant. Raises InvalidFile with everything that is wrong with the flags."""
    from infercli.cli.project import learned_here
    from infercli.core.choice.question import KEPT, Fixed, Question
    from infercli.core.documents.deployment import ModelDeployment

    model_id = typed.model if deployment is None else deployment.model
    assert model_id is not None
    asked = deployment or ModelDeployment(name="any", model=model_id, profile=next(iter(typed.profiles), "any"))
    model, pinned = _model(asked.model_copy(update={"engine_args": args}), typed.project, problems)
    if model is not None and model.arch.pooling:
        raise InputError(
            f"{model_id} generates no tokens, and a search is for the speed of those",
            "plan its memory: one --profile, without --rate, --slo and --spare; its speed is measured: "
            "`infercli bench URL --api embeddings`",
        )
    prices = price_list(typed.project)
    names = typed.profiles or (() if deployment is None else (deployment.profile,))
    hardware = _hardware(names, prices, args, typed.project, problems)
    quantizations = _quantizations(typed, model, pinned, problems)
    workload = _workload(typed, deployment, args, model)
    traffic = _traffic(typed, deployment, workload, args, problems)
    length, notes = _length(args, deployment, traffic, model, problems)
    refuse(problems)
    assert model is not None  # else there are problems
    assert traffic is not None
    return Question(
        model=model,
        hardware=hardware,
        traffic=traffic,
        max_model_len=length,
        quantizations=quantizations,
        pinned=pinned,
        fixed=Fixed(
            tensor_parallel_size=args.get("tensor_parallel_size"),
            pipeline_parallel_size=args.get("pipeline_parallel_size"),
            replicas=typed.replicas,
            max_num_seqs=args.get("max_num_seqs"),
            kv_cache_dtype=args.get("kv_cache_dtype"),
        ),
        engine_args={name: args[name] for name in KEPT if args.get(name) is not None},
        spare=typed.spare,
        prices_as_of=prices.as_of,
        learned=learned_here(typed.project),
        notes=notes,
    )


def _model(asked: ModelDeployment, project: Path, problems: Problems) -> tuple[Model | None, bool]:
    """(the model, whether it is pinned). A pinned checkpoint is what it is; of a shape others may be had."""
    from infercli.cli.project import load_lock, look_for_directory
    from infercli.core.documents.profile import HardwareProfile, NodeGroup
    from infercli.core.estimates.model import Model
    from infercli.core.planning.subject import resolve
    from infercli.core.quantization.methods import METHODS

    with problems.at("MODEL"):
        locked = load_lock(project).find(asked.model)
        anything = HardwareProfile(name="any", accelerator="cpu", nodes=(NodeGroup(),), quantizations=tuple(METHODS))
        try:
            subject = resolve(asked.model_copy(update={"quantization": None}), anything, locked)
        except UnknownName as error:
            look_for_directory(error, asked, project)
            raise
        return Model(asked.model, subject.arch, subject.quantization, subject.notes), locked is not None
    return None, False


def _hardware(
    names: Sequence[str], prices: PriceList, args: dict[str, Any], project: Path, problems: Problems
) -> tuple[Hardware, ...]:
    """The profiles of these names; where none is given, all with GPUs."""
    from infercli.adapters.files import profile_files
    from infercli.cli.project import load_profile
    from infercli.core.choice.candidates import hardware_of

    found = []
    for name in dict.fromkeys(names or [path.stem for path in profile_files(project)]):
        with problems.at("--profile"):
            profile = load_profile(name, project)
            if names or profile.gpu is not None:
                found.append(hardware_of(profile, prices, args))
    return tuple(found)


def _quantizations(typed: Typed, model: Model | None, pinned: bool, problems: Problems) -> tuple[str, ...]:
    from infercli.core.quantization.methods import expand

    wanted: list[str] = []
    for name in typed.quantizations:
        with problems.at("--quantization"):
            wanted += expand([name])
    if model is None or not wanted:
        return tuple(dict.fromkeys(wanted))
    stored = model.quantization.method
    if (pinned or stored != "none") and stored not in wanted:
        problems.add(
            "--quantization",
            f"{model.name} is {stored}: a checkpoint is what it is",
            f"leave it out, or name {'a checkpoint' if pinned else 'the base model'} that is {' or '.join(wanted)}",
        )
    return (stored,) if pinned or stored != "none" else tuple(dict.fromkeys(wanted))


def _workload(typed: Typed, deployment: ModelDeployment | None, args: dict[str, Any], model: Model | None) -> Workload:
    """What the deployment says, with the lengths that were typed; the usual ones as far as a request may be long."""
    from infercli.core.documents.workload import Workload

    workload = Workload() if deployment is None else deployment.workload
    typed_lengths = {"input_tokens": typed.input_tokens, "output_tokens": typed.output_tokens}
    workload = workload.model_copy(update={k: v for k, v in typed_lengths.items() if v is not None})
    longest = args.get("max_model_len") or workload.max_context_tokens
    if longest is None and model is not None:
        longest = model.arch.max_model_len
    return workload if longest is None else workload.within(longest)


def _traffic(
    typed: Typed, deployment: ModelDeployment | None, workload: Workload, args: dict[str, Any], problems: Problems
) -> Traffic | None:
    from infercli.core.documents.workload import MOST_COUNT
    from infercli.core.estimates.request import LEAST_RATE, Traffic
    from infercli.core.units import number

    if typed.rate is not None and typed.concurrency is not None:
        problems.add("--rate", "and --concurrency exclude each other", "give one of them")
    if typed.rate is not None and not LEAST_RATE <= typed.rate <= MOST_COUNT:
        problems.add("--rate", f"must be between {number(LEAST_RATE)} and {MOST_COUNT:,}, and is {typed.rate:g}")
    objectives = _objectives(typed, deployment, problems)
    concurrency = typed.concurrency
    if typed.rate is None and concurrency is None and deployment is not None:
        concurrency = workload.concurrency
    if typed.rate is None and concurrency is None:
        problems.add(
            "--rate", "is missing: how many requests arrive a second", "or --concurrency: how many are in flight"
        )
    if concurrency is not None and not objectives:
        problems.add("--slo", "is missing: any speed would hold", "for example --slo tpot_p95=50ms")
    check_prefixes(typed.prefix_hit_fraction, args, problems)
    if problems:
        return None
    return Traffic(
        input_len=workload.input_tokens,
        output_len=workload.output_tokens,
        concurrency=concurrency,
        request_rate=typed.rate,
        prefix_hit_fraction=typed.prefix_hit_fraction or 0.0,
        ttft_p95_ms=objectives.get("ttft_p95"),
        ttft_p99_ms=objectives.get("ttft_p99"),
        tpot_p95_ms=objectives.get("tpot_p95"),
    )


def _objectives(typed: Typed, deployment: ModelDeployment | None, problems: Problems) -> dict[str, float]:
    """By name, in ms: what was typed, else what deployment.yaml says."""
    from infercli.core.choice.measures import OBJECTIVES

    if not typed.slos and deployment is not None:
        said = deployment.objectives
        found = {"ttft_p95": said.ttft_p95_ms, "tpot_p95": said.tpot_p95_ms}
        return {name: value for name, value in found.items() if value is not None}
    objectives: dict[str, float] = {}
    for slo in typed.slos:
        name, _, value = (part.strip() for part in slo.partition("="))
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)?", value)
        known = name if name in OBJECTIVES else OBJECTIVES[0]
        if name != known:
            hint = f"one of {', '.join(OBJECTIVES)}; a whole answer takes a TTFT, and a TPOT for each further token"
            problems.add_error("--slo", UnknownName("objective", name, OBJECTIVES, hint))
        if match is None:
            problems.add("--slo", f"`{slo}` says no time", f"write for example --slo {known}=1s")
        elif match[2] is None:
            problems.add("--slo", f"`{slo}` has no unit", f"write {known}={match[1]}s or {known}={match[1]}ms")
        elif float(match[1]) == 0:
            problems.add("--slo", f"`{slo}` must be more than 0")
        else:
            limit_ms = float(match[1]) * _UNITS[match[2]]
            if objectives.setdefault(name, limit_ms) != limit_ms:
                problems.add("--slo", f"{name} is said twice, differently")
    return objectives


def _length(
    args: dict[str, Any],
    deployment: ModelDeployment | None,
    traffic: Traffic | None,
    model: Model | None,
    problems: Problems,
) -> tuple[int, tuple[str, ...]]:
    """max_model_len: what was asked for, else twice the mean request in whole 1,024s, as far as the model goes.

    With a note on where it comes from, where nobody asked for it.
    """
    asked = args.get("max_model_len") or (deployment.workload.max_context_tokens if deployment else None)
    if traffic is None or model is None:
        return 0, ()
    each, limit = int(traffic.input_len + traffic.output_len), model.arch.max_model_len
    if asked is not None and asked > limit:
        problems.add("--max-model-len", f"{asked:,} is more than the model's own maximum of {limit:,}")
    if each > (asked or limit):
        problems.add("--input-len", f"{each:,} tokens a request (in and out) are more than {asked or limit:,}")
    if asked is not None:
        return int(asked), ()
    twice = -(-2 * each // 1024) * 1024
    reason = "twice a request, in whole 1,024s" if twice <= limit else "the model's own maximum"
    return min(limit, twice), (f"max_model_len is {min(limit, twice):,}: {reason}; --max-model-len says another",)


def command_of(typed: Typed, found: Selection) -> str:
    """The plan of exactly what was chosen, as it is typed."""
    from math import ceil

    assert found.chosen is not None
    c, speed, load = found.chosen.candidate, found.chosen.estimate.speed, found.workload
    assert speed is not None
    in_flight = load.concurrency
    if load.request_rate is not None:
        tpot_s = 0.0 if speed.tpot_s is None else speed.tpot_s.value
        in_flight = load.request_rate * (speed.ttft_s.value + tpot_s * load.output_len)  # Little's law
    assert in_flight is not None
    profile = next((name for name in typed.profiles if Path(name).stem == c.profile), c.profile)
    words = ["infercli", "plan", *([typed.model] if typed.model else [])]
    if typed.deployment_path:
        words += ["--file", typed.deployment_path]
    words += ["--profile", profile, "--quantization", c.quantization, "--replicas", str(c.replicas)]
    words += ["--tensor-parallel-size", str(c.tensor_parallel_size)]
    if c.pipeline_parallel_size > 1:
        words += ["--pipeline-parallel-size", str(c.pipeline_parallel_size)]
    if c.kv_cache_dtype != "auto":
        words += ["--kv-cache-dtype", c.kv_cache_dtype]
    words += ["--max-num-seqs", str(c.max_num_seqs), "--max-model-len", str(found.max_model_len)]
    words += ["--concurrency", str(max(1, ceil(in_flight)))]
    words += ["--input-len", f"{load.input_len:.0f}", "--output-len", f"{load.output_len:.0f}"]
    if load.prefix_hit_fraction:
        words += ["--prefix-hit-fraction", str(load.prefix_hit_fraction)]  # whole: rounded up to 1 it is refused
    return shlex.join(words)
