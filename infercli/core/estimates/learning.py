"""What an installation's own logs and benchmarks teach: how far each estimate was off, as residuals by kind of run.

The one thing to know: nothing is refitted. The memory of an estimate, and of a plan, is moved by the mean residual of
runs of the same architecture, GPU, engine version, quantization and split, whose model is of about its size, and only
by those; forgetting is deleting the file. Speed is in core/bench/learned_speed.py.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import Field

from infercli.core.documents.plan import GpuMemory, MemoryTerm
from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.engine_args import SAME_NAMES
from infercli.core.estimates.startup_log import StartupLog
from infercli.core.gpus import GPUS, Gpu
from infercli.core.record import Document, Json, Record
from infercli.core.units import GIB, counted, gib
from infercli.errors import InvalidFile

_TERMS = (
    ("weights", "weights_gib"),
    ("activation", "activation_gib"),
    ("non_torch", "non_torch_gib"),
    ("cuda_graphs", "cuda_graphs_gib"),
    ("kv_cache", "available_kv_gib"),
)
"""Term of an estimate -> what a log prints of it."""


_STORED = {
    "awq": "awq", "awq_marlin": "awq", "gptq": "gptq", "gptq_marlin": "gptq", "fp8": "fp8", "gguf": "gguf",
    "bitsandbytes": "bitsandbytes",
}  # fmt: skip
"""vLLM's name of a quantization in a log -> ours, where one means the other; a config says it of the rest."""
_WHILE_LOADING = "bitsandbytes"
"""What an engine makes of a checkpoint whose config is that of the unquantized one."""


SAID_FIRST = ("engine_version", "tensor_parallel_size")
"""What the beginning of every log says: a default for it would teach one kind of run what another one did."""

_SIZES_ALIKE = 2.0
"""Weights at most so many times larger or smaller. Our choice: residuals are in bytes, and 8 GiB that a model of 70B
leaves less say nothing of one of 1B."""


class Kind(NamedTuple):
    """Runs whose residuals are alike."""

    architecture: str
    gpu: str
    engine_version: str
    """Major and minor."""
    quantization: str
    tensor_parallel_size: int


class Residual(Record):
    """One term of one run, in bytes per GPU."""

    term: str
    predicted_bytes: int
    printed_bytes: int

    @property
    def off_bytes(self) -> int:
        """What must be added to the prediction."""
        return self.printed_bytes - self.predicted_bytes


class LearnedLoad(Record):
    """The load of a benchmark: a closed loop."""

    concurrency: float
    """Of one replica."""
    input_len: float
    """Mean tokens of a prompt, by the server's `usage`."""
    output_len: float


class SpeedResidual(Record):
    """One quantity of one benchmark, in tokens/s or s."""

    quantity: Literal["output_tok_per_s", "ttft_s", "tpot_s"]
    predicted: float = Field(gt=0)
    measured: float = Field(gt=0)

    @property
    def ratio(self) -> float:
        """What the prediction must be multiplied by."""
        return self.measured / self.predicted


class LearnedRun(Record):
    """One start-up, or one benchmark."""

    digest: str
    """sha256 of a result's file, or of what a log says of its start: the same one teaches once."""
    source: str
    """The file that it was read from."""
    model: str
    architecture: str
    gpu: str
    engine_version: str
    quantization: str
    tensor_parallel_size: int
    weights_bytes: int | None = None
    """Per GPU, as estimated: how large its model is. None: a benchmark, of which no memory is learned."""
    residuals: tuple[Residual, ...] = ()
    load: LearnedLoad | None = None
    """What a benchmark sent; None: a start-up."""
    speeds: tuple[SpeedResidual, ...] = ()

    @property
    def kind(self) -> Kind:
        """What its residuals hold for."""
        return Kind(
            self.architecture, self.gpu, minor(self.engine_version), self.quantization, self.tensor_parallel_size
        )


class LearnedRuns(Document):
    """infercli-learned.json."""

    kind: Literal["LearnedRuns"] = "LearnedRuns"
    runs: tuple[LearnedRun, ...] = ()

    def with_runs(self, new: Iterable[LearnedRun]) -> LearnedRuns:
        """These and the new ones, each log once, the newest reading of it."""
        by_digest = {run.digest: run for run in (*self.runs, *new)}
        return self.model_copy(update={"runs": tuple(by_digest.values())})


class Learned(NamedTuple):
    """What runs of one kind say of one term."""

    off_bytes: int
    """The mean residual: what is added to the prediction."""
    spread_bytes: int | None
    """Standard deviation of the residuals; None: one run says nothing about it."""
    runs: int

    def said(self, term_bytes: int) -> str:
        """`predicted 58.10 GiB +- 0.40 from 3 of your runs, 59.30 GiB without them`; `term_bytes`: as they moved it."""
        spread = "" if self.spread_bytes is None else f" +- {self.spread_bytes / GIB:.2f}"
        without = gib(term_bytes - self.off_bytes, 2)
        return f"predicted {gib(term_bytes, 2)}{spread} from {self.runs} of your runs, {without} without them"


def minor(version: str) -> str:
    """`0.19.0.post1` -> `0.19`: memory changes between these, not within."""
    return ".".join(version.split(".")[:2])


def question_of(log: StartupLog, known: dict[str, Json]) -> dict[str, Json]:
    """The estimate request of a log; what the user says in `known` (the GPU, the config) wins.

    Left out is what neither says: the estimate then takes that version's default, as the engine did.
    """
    names = (
        "model",
        "engine_version",
        "data_parallel_size",
        "decode_context_parallel_size",
        "gpu_memory_gib",
        *SAME_NAMES,
    )
    said: dict[str, Json] = {name: value for name in names if (value := getattr(log, name, None)) is not None}
    stored = _STORED.get(log.quantization or "")
    by_config = {"config", "config_path"} & set(known)
    if stored is not None and (not by_config or stored == _WHILE_LOADING):
        said["quantization"] = stored  # a model that is known by its id alone is the unquantized one
    if log.speculation is not None:
        said["speculation"] = {"method": log.speculation, "num_speculative_tokens": log.speculative_tokens}
    return said | known


def uncounted(log: StartupLog) -> str | None:
    """What a start had that the estimate of its settings does not count; None: nothing that the log says."""
    if log.cpu_offload_gb:
        return f"cpu_offload_gb {log.cpu_offload_gb:g}"
    own = log.speculation == "ngram" or (log.speculation in ("mtp", "dspark") and log.draft_model in (None, log.model))
    if log.speculation is not None and not own:
        return f"speculation by {log.speculation}" + (f" of {log.draft_model}" if log.draft_model else "")
    return None


def learn(log: StartupLog, estimate: Estimate, *, digest: str, source: str) -> LearnedRun:
    """How far the estimate of a log's own settings was off. Raises InvalidFile where no such GPU holds that."""
    terms = {term.name: term.bytes for term in estimate.memory.terms}
    residuals = [
        Residual(term=term, predicted_bytes=terms[term], printed_bytes=round(printed * GIB))
        for term, field in _TERMS
        if (printed := getattr(log, field)) is not None and term in terms
    ]
    printed_terms = {r.term for r in residuals}
    pool = estimate.kv_cache
    if "kv_cache" not in printed_terms and log.kv_cache_tokens and pool and pool.tokens:
        # Only its size was printed, and not its bytes: as many as ours take.
        share = log.kv_cache_tokens / pool.tokens
        if log.kv_cache_blocks and pool.tokens != pool.blocks * pool.block_tokens:
            share = log.kv_cache_blocks / pool.blocks  # several kinds of cache: blocks are no tokens of a request
        printed_bytes = round(pool.bytes * share)
        residuals.append(Residual(term="kv_cache", predicted_bytes=pool.bytes, printed_bytes=printed_bytes))
    impossible = _impossible(log, residuals, GPUS[estimate.gpu])
    if impossible:
        raise InvalidFile(source, impossible, "`--gpu` names the GPU that it ran on; `infercli gpus` lists them")
    another = _another_checkpoint(log, residuals, estimate)
    if another:
        hint = "`--config-path` names config.json of the checkpoint that ran, `--model` its id"
        raise InvalidFile(source, another, hint)
    run = run_of(estimate, digest=digest, source=source)
    return run.model_copy(update={"weights_bytes": terms["weights"], "residuals": tuple(residuals)})


def run_of(estimate: Estimate, *, digest: str, source: str) -> LearnedRun:
    """A run of which nothing is learned yet, by the estimate of its settings."""
    return LearnedRun(
        digest=digest,
        source=source,
        model=estimate.model,
        architecture=estimate.architecture,
        gpu=estimate.gpu,
        engine_version=estimate.engine_version,
        quantization=estimate.settings.quantization,
        tensor_parallel_size=estimate.settings.tensor_parallel_size,
    )


_WEIGHTS_ALIKE = 1.5
"""Printed weights are at most so many times ours, or ours so many times them: of 117 public start-up logs the worst was
off by 5 % (benchmarks/accuracy), and 8 bits for 16, or another model, are twice as much."""


def _another_checkpoint(log: StartupLog, residuals: Iterable[Residual], estimate: Estimate) -> list[tuple[str, str]]:
    """(what, why) where the log is not of the checkpoint that was estimated: it would move plans of the other."""
    planned = estimate.settings.quantization
    if log.quantization not in (None, "none") and planned == "none":
        return [("quantization", f"is {log.quantization} in the log, and what is known of {estimate.model} has none")]
    for r in residuals:
        if r.term == "weights" and not 1 / _WEIGHTS_ALIKE <= r.printed_bytes / r.predicted_bytes <= _WEIGHTS_ALIKE:
            ours = f"{estimate.model} in {planned} has {gib(r.predicted_bytes, 2)} on each GPU"
            return [("weights", f"is {gib(r.printed_bytes, 2)} in the log, and {ours}: it is another checkpoint")]
    return []


_DRIVERS_DIFFER = 1.02
"""By how much the memory that one driver reports may be above the row's, which is another's (core/gpus/rows.py)."""


def _impossible(log: StartupLog, residuals: Iterable[Residual], gpu: Gpu) -> list[tuple[str, str]]:
    """(term, what is wrong) of what was printed and is more than there is on one GPU."""
    printed = {r.term: r.printed_bytes for r in residuals}
    held = printed | {"weights and kv_cache": printed.get("weights", 0) + printed.get("kv_cache", 0)}
    if log.gpu_memory_gib is not None:
        held = {"the GPU's memory": round(log.gpu_memory_gib * GIB)} | held
    more = {term: size for term, size in held.items() if size > gpu.memory_bytes * _DRIVERS_DIFFER}
    if len(more) > 1:
        more.pop("weights and kv_cache", None)  # one of them says it
    there = f"{gpu.name} has {gib(gpu.memory_bytes, 2)}"
    return [(term, f"is {gib(size, 2)} in the log, and {there}") for term, size in more.items()]


def of_kind(learned: LearnedRuns, kind: Kind, weights_bytes: int) -> dict[str, Learned]:
    """What runs of that kind, and of models of about that size, say, by term; empty where there was none."""
    off: dict[str, list[int]] = {}
    for run in learned.runs:
        size = run.weights_bytes or weights_bytes
        alike = weights_bytes <= _SIZES_ALIKE * size and size <= _SIZES_ALIKE * weights_bytes
        for r in run.residuals if run.kind == kind and alike else ():
            off.setdefault(r.term, []).append(r.off_bytes)
    return {
        term: Learned(round(statistics.mean(each)), round(statistics.stdev(each)) if len(each) > 1 else None, len(each))
        for term, each in off.items()
    }


def moved(memory: GpuMemory, known: dict[str, Learned]) -> tuple[GpuMemory, dict[str, Learned]]:
    """(the terms, each moved by its mean residual, what moved them). Terms inside the budget still add up to it.

    Bands keep their width, and are as wide as the runs lie apart at least. What was printed of the KV cache, and of no
    other term, is a term of its own: `learned`. A term that there is none of is not moved, and none becomes negative.
    """
    terms, taken = [], {}
    left = next(t for t in memory.terms if t.name == "kv_cache")
    low_bytes, typical_bytes, high_bytes = left.low_bytes, left.bytes, left.high_bytes
    for term in memory.terms:
        off = known.get(term.name)
        if term is left:
            continue
        if off is None or not term.high_bytes:
            terms.append(term)
            continue
        taken[term.name] = off = off._replace(off_bytes=max(off.off_bytes, -term.bytes))
        after = _moved(term, off)
        terms.append(after)
        if term.inside_budget:
            low_bytes -= after.high_bytes - term.high_bytes
            typical_bytes -= off.off_bytes
            high_bytes -= after.low_bytes - term.low_bytes
    of_left = known.get(left.name)
    if of_left is None:
        ends = {"bytes": typical_bytes, "low_bytes": low_bytes, "high_bytes": high_bytes}
        return memory.model_copy(update={"terms": (*terms, left.model_copy(update=ends))}), taken
    taken[left.name] = of_left
    rest = typical_bytes - left.bytes - of_left.off_bytes
    terms.append(
        MemoryTerm(
            name="learned", bytes=rest, low_bytes=rest, high_bytes=rest,
            formula="what your runs left less for the KV cache than all other terms say",
            source=f"the mean of {counted(of_left.runs, 'run')} of yours",
        )
    )  # fmt: skip
    return memory.model_copy(update={"terms": (*terms, _moved(left, of_left))}), taken


def _moved(term: MemoryTerm, off: Learned) -> MemoryTerm:
    typical, spread = term.bytes + off.off_bytes, off.spread_bytes or 0
    least = min(term.low_bytes + off.off_bytes, typical - spread)
    return term.model_copy(
        update={
            "bytes": typical,
            "low_bytes": least if term.name == "kv_cache" else max(0, least),
            "high_bytes": max(term.high_bytes + off.off_bytes, typical + spread),
        }
    )


def kind_of(estimate: Estimate) -> Kind:
    """Whose residuals hold for an estimate."""
    return Kind(
        estimate.architecture, estimate.gpu, minor(estimate.engine_version), estimate.settings.quantization,
        estimate.settings.tensor_parallel_size,
    )  # fmt: skip
