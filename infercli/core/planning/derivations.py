"""The derivations of a plan on GPUs: one per number that it prints, from the estimate that it rests on.

Nothing is computed here that the plan did not compute: each part is asked of the function that made the term.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from infercli.core.architecture.arch import parameter_count
from infercli.core.derivation import Derivation, Given, Measured, derived
from infercli.core.documents.plan import MemoryTerm
from infercli.core.engines.errors import errors_of
from infercli.core.engines.facts import Band
from infercli.core.kv_cache.pool import CacheLayout
from infercli.core.memory import sizing
from infercli.core.memory.activation import moments, more_while_compiling
from infercli.core.memory.cuda_graphs import (
    captures_of_a_size,
    counts_whole,
    graph_parts,
    graph_sizes,
    graphs_in_budget,
    graphs_kind,
    graphs_of_a_layer,
    whole_graphs,
)
from infercli.core.memory.weights import ADAPTERS, BATCH_BUFFERS, DEEPSTACK, ROTARY, UNEXPLAINED, rotary_rows
from infercli.core.planning.outcome import Question
from infercli.core.planning.outlook import Outlook
from infercli.core.planning.speed_derivations import explain_outlook
from infercli.core.units import gib

if TYPE_CHECKING:
    from infercli.core.estimates.learning import Learned

_PROFILE = "the profile's GPU: "
_SETTING = "what the engine is told"
_LOGS = "start-up logs, by version, platform and ranks: see `from`"
_CONFIG = "config.json of the model"


def explain(question: Question, said: Outlook | None) -> tuple[Derivation, ...]:
    """Every number of a plan, in the order in which one rests on another."""
    terms = {t.name: t for t in question.sized.memory.terms}
    derivations = [
        _budget(question),
        _weights(question, terms["weights"]),
        _activation(question, terms["activation"]),
        _non_torch(question, terms["non_torch"]),
        _cuda_graphs(question, terms["cuda_graphs"]),
        _kv_cache_bytes(question, terms),
    ]
    derivations = [_moved(question, d) for d in derivations[:-1]] + _learned(question, terms) + derivations[-1:]
    if question.sized.layout is not None:
        derivations += _held(question, question.sized.layout, terms["kv_cache"])
    if said is not None:
        derivations += explain_outlook(question, said)
    return tuple(derivations)


# Memory.


def _budget(q: Question) -> Derivation:
    memory = q.sized.memory
    if q.settings.kv_cache_memory_bytes is not None:
        beside = memory.total_bytes - memory.budget_bytes
        return _exact(
            "budget_bytes", memory.budget_bytes, "total_bytes - never_free",
            [
                _bytes("total_bytes", memory.total_bytes, _PROFILE + q.gpu.source),
                _bytes("never_free", beside, "the CUDA context, and sampling: measured"),
            ],
            "kv_cache_memory_bytes is taken whatever gpu_memory_utilization says: all must lie within the GPU",
        )  # fmt: skip
    return _exact(
        "budget_bytes", memory.budget_bytes, "int(total_bytes * gpu_memory_utilization)",
        [
            _bytes("total_bytes", memory.total_bytes, _PROFILE + q.gpu.source),
            _setting("gpu_memory_utilization", q.settings.gpu_memory_utilization),
        ],
        "vLLM v1/worker/utils.py request_memory",
    )  # fmt: skip


def _weights(q: Question, term: MemoryTerm) -> Derivation:
    parts = sizing.rank_weights(q.arch, q.quantization, q.sized.load, q.facts)
    rows, width = rotary_rows(q.arch, q.facts.version), q.arch.rope_width
    table = "float32" if q.arch.rope_float32 else q.settings.dtype
    stored = f"tensors of that role as {q.quantization.method} stores them, rounded as PyTorch's allocator does"
    sources = {
        ROTARY: f"cosines and sines: {rows:,} positions x {width} in {table}",
        DEEPSTACK: f"{q.arch.deepstack_levels} layers x max_num_batched_tokens x {q.arch.hidden:,}, from the encoder",
        BATCH_BUFFERS: "for max_num_batched_tokens: the keys each token picks, and residual streams or scratch",
        ADAPTERS: f"max_loras x max_lora_rank x both sides of each matrix that vLLM wraps, in {q.settings.dtype}",
        UNEXPLAINED: "what the checkpoint's files hold beyond its config",
    }
    return Derivation(
        name="weights_bytes", value=term.bytes, low=term.low_bytes, high=term.high_bytes, unit="bytes",
        formula=" + ".join(parts),
        inputs=tuple(_bytes(name, size, sources.get(name, stored)) for name, size in parts.items()),
        source=f"{term.source}; the model has {parameter_count(q.arch):,} parameters",
        errors=_errors("weights"),
        note=_split(q),
    )  # fmt: skip


def _activation(q: Question, term: MemoryTerm) -> Derivation:
    load = q.sized.load
    found = moments(q.arch, q.quantization, load, q.facts)
    return _term(
        "activation_bytes", term, "round(max(max(forward, sampler) + kept, encoder))",
        [
            _band("forward", found.forward, "the largest layer over a batch of tokens (core/memory/activation.py)"),
            _band("sampler", found.sampler, "logits of max_num_seqs x vocabulary, and what sampling makes of them"),
            _band("kept", found.kept, "stays between them: experts' workspace, encoder outputs, keys, tables"),
            _band("encoder", found.encoder, "the largest images or videos, before the decoder (core/memory/vision.py)"),
            _setting("max_num_batched_tokens", load.max_num_batched_tokens),
            _setting("max_num_seqs", load.max_num_seqs),
            Given(name="vocabulary", value=q.arch.vocab, source=_CONFIG),
            Given(name="hidden", value=q.arch.hidden, source=_CONFIG),
            _bytes("element_bytes", load.element_bytes, f"dtype {q.settings.dtype}"),
        ],
    )  # fmt: skip


def _non_torch(q: Question, term: MemoryTerm) -> Derivation:
    profiled = q.settings.kv_cache_memory_bytes is None
    parts = sizing.non_torch_parts(q.arch, q.sized.load, q.facts, profiled=profiled)
    sources = {
        "all_reduce_buffers": "grow with hidden width and ranks (fused all-reduce)",
        "exchange_between_ranks": "expert or data parallel ranks; one log",
        "exchange_of_sums": "three generations in and out of a batch of hidden states (Inkling's fused all-reduce)",
        "odd_vocabulary": "the sampler's kernel on a vocabulary that is no multiple of 16",
        "moved_meanwhile": "what the whole machine takes while the engine starts (core/memory/shared.py)",
        "held_by_others": "not free when an engine looks: the operating system and others (core/memory/shared.py)",
    }
    inputs = [_band(name, band, sources.get(name, _LOGS)) for name, band in parts.items()]
    return _term("non_torch_bytes", term, f"round({' + '.join(parts)})", inputs)


def _cuda_graphs(q: Question, term: MemoryTerm) -> Derivation:
    deducted = graphs_in_budget(q.arch, q.quantization, q.sized.load, q.facts)
    profiled = deducted and q.settings.kv_cache_memory_bytes is None
    parts = graph_parts(q.arch, q.sized.load, q.facts, profiled=profiled)
    if not parts:
        return _term("cuda_graphs_bytes", term, "0", [])
    row, stages = q.facts.graphs[graphs_kind(q.gpu)], q.sized.load.layout.pipeline_parallel_size
    logits = [n for n in parts if n == "indexer_logits"]
    picks = "by which an indexer picks, in the largest capture (core/memory/cuda_graphs.py)"
    inputs = [
        *(_band(n, parts[n], picks) for n in logits),
        _band("any_capture", parts["any_capture"], _LOGS),
        _band("per_layer", graphs_of_a_layer(q.arch, row), _LOGS),
        Given(name="layers", value=-(-q.arch.passed_layers // stages), source=f"{_CONFIG}; of one stage"),
        Given(
            name="sizes", value=graph_sizes(q.sized.load, q.facts),
            source="captured batch sizes, by max_num_seqs (config/vllm.py _set_cudagraph_sizes)",
        ),
        Given(name="all_sizes", value=q.facts.all_graph_sizes, source="the same where max_num_seqs allows all"),
    ]  # fmt: skip
    sizes = "sizes / all_sizes"
    if counts_whole(q.facts):
        sizes, whole = "(sizes + whole) / 2 / all_sizes", whole_graphs(q.arch, q.sized.load, q.facts)
        inputs.append(Given(name="whole", value=whole, source="those with a graph of a whole decoding step besides"))
    captures = captures_of_a_size(q.sized.load, q.facts)
    if captures > 1:
        sizes = f"{sizes} * captures"
        inputs.append(Given(name="captures", value=captures, source="of each size: with adapters and without them"))
    beside = {
        "flashinfer_workspace": "what FlashInfer keeps from the first capture on (core/memory/cuda_graphs.py)",
        "free_pages": "free pages that the page cache takes or gives back meanwhile",
    }
    others = [n for n in beside if n in parts]
    inputs += [_band(n, parts[n], beside[n]) for n in others]
    formula = f"round({' + '.join([*logits, 'any_capture', *others])} + per_layer * layers * {sizes})"
    return _term("cuda_graphs_bytes", term, formula, inputs)


def _kv_cache_bytes(q: Question, terms: dict[str, MemoryTerm]) -> Derivation:
    left = terms["kv_cache"]
    if q.settings.kv_cache_memory_bytes is not None:
        room = q.sized.room.left
        given = _setting("kv_cache_memory_bytes", q.settings.kv_cache_memory_bytes)
        ends = f"{gib(room.bytes, 2)} ({gib(room.low_bytes, 2)} to {gib(room.high_bytes, 2)})"
        made = _exact("kv_cache_bytes", left.bytes, "kv_cache_memory_bytes", [given], left.source)
        return made.model_copy(update={"note": f"{ends} are left for it of the budget, after all other terms"})
    counted = [t for t in terms.values() if t.inside_budget and t is not left]
    outside = [t.name for t in terms.values() if not t.inside_budget]
    inputs = [_bytes("budget_bytes", q.sized.memory.budget_bytes, derived("budget_bytes"))]
    inputs += [_bytes(f"{t.name}_bytes", t.bytes, f"{derived(f'{t.name}_bytes')}: {_ends(t)}") for t in counted]
    return Derivation(
        name="kv_cache_bytes", value=left.bytes, low=left.low_bytes, high=left.high_bytes, unit="bytes",
        formula=" - ".join(g.name for g in inputs), inputs=tuple(inputs), source=left.source,
        errors=_errors("kv_cache"),
        note="; ".join(_beside_the_budget(q, outside)),
    )  # fmt: skip


def _beside_the_budget(q: Question, outside: list[str]) -> Iterator[str]:
    if outside:
        yield f"{', '.join(outside)}: beyond the budget, not deducted"
    more = more_while_compiling(q.arch, q.quantization, q.sized.load, q.facts)
    if more:
        yield f"a start that has to compile its kernels leaves {gib(more, 2)} less: the low end allows for it"


def _moved(q: Question, d: Derivation) -> Derivation:
    """With what own runs moved the term by."""
    known = q.sized.learned.get(d.name.removesuffix("_bytes"))
    if known is None:
        return d
    learned = _bytes("learned", known.off_bytes, _mean_of(known))
    return d.model_copy(update={"formula": f"{d.formula} + learned", "inputs": (*d.inputs, learned)})


def _learned(q: Question, terms: dict[str, MemoryTerm]) -> list[Derivation]:
    """What own runs printed of the KV cache and of no other term."""
    if "learned" not in terms:
        return []
    of_left = q.sized.learned["kv_cache"]
    inputs = [_bytes("kv_cache", of_left.off_bytes, _mean_of(of_left))]
    inputs += [
        _bytes(name, known.off_bytes, _mean_of(known))
        for name, known in q.sized.learned.items()
        if name != "kv_cache" and terms[name].inside_budget
    ]
    formula = " - ".join(f"{'-' * (i == 0)}{g.name}" for i, g in enumerate(inputs))
    source = "what vLLM printed of the KV cache less what was predicted, and what of it other terms already say"
    return [_exact("learned_bytes", terms["learned"].bytes, formula, inputs, source)]


def _mean_of(known: Learned) -> str:
    return f"the mean residual of {known.runs} of your runs: `infercli learn --show`"


# What the KV cache holds. Always at the pessimistic end: that is what the plan says.


def _held(q: Question, layout: CacheLayout, left: MemoryTerm) -> Iterator[Derivation]:
    length = q.settings.max_model_len
    ends = [layout.capacity(size, length) for size in (left.low_bytes, left.bytes, left.high_bytes)]
    low, typical, high = ends
    rules = "vLLM v1/core/kv_cache_utils.py; equality with its own functions is tested"
    groups = "; ".join(f"{len(g.layers)} layers of kind {g.first.kind}" for g in layout.groups)
    block = _bytes("bytes_per_block", layout.bytes_per_block, f"one block of {groups}, dtype {_kv_dtype(q)}")
    each = layout.blocks_per_request(length)
    room = _bytes("kv_cache_bytes_low", left.low_bytes, f"the low end; {derived('kv_cache_bytes')}")
    yield Derivation(
        name="kv_cache_blocks", value=low.blocks, low=low.blocks, high=high.blocks, unit="blocks",
        formula="max(0, kv_cache_bytes_low // bytes_per_block)", inputs=(room, block), source=rules,
        note=f"{typical.blocks:,} where every estimate is right",
    )  # fmt: skip
    blocks = Given(name="kv_cache_blocks", value=low.blocks, unit="blocks", source=derived("kv_cache_blocks"))
    request = Given(
        name="blocks_per_request", value=each, unit="blocks",
        source=f"one request of max_model_len takes blocks of each group: {groups}",
    )  # fmt: skip
    yield Derivation(
        name="concurrency", value=low.concurrency, low=low.concurrency, high=high.concurrency, unit="requests",
        formula="kv_cache_blocks / blocks_per_request", inputs=(blocks, request), source=rules,
        errors=_errors("max_concurrency"), note=f"{typical.concurrency:.2f} where every estimate is right",
    )  # fmt: skip
    yield Derivation(
        name="kv_cache_tokens", value=low.tokens, low=low.tokens, high=high.tokens, unit="tokens",
        formula="int(kv_cache_blocks / blocks_per_request * max_model_len)",
        inputs=(blocks, request, _setting("max_model_len", length)), source=rules,
        note=f"as the engine prints it; {typical.tokens:,} where every estimate is right",
    )  # fmt: skip
    yield _need(q, layout)


def _need(q: Question, layout: CacheLayout) -> Derivation:
    """What the KV cache must hold: the largest of what is asked of it."""
    length, why = q.asked_length, "vLLM starts only if one request of max_model_len fits (v1/core/kv_cache_utils.py)"
    if length is None:
        length, why = q.tokens_each, f"one request of {q.tokens_each:,} tokens: max_model_len was chosen to fit"
    held = f"{q.requests} requests of {q.tokens_each:,} tokens, one of them in its prefill"
    inputs = [
        _bytes("one_request", layout.bytes_to_admit(length), why),
        _bytes("workload", layout.bytes_to_hold(q.requests, q.tokens_each), held),
    ]
    if q.sized.capture_bytes:
        each = f"a block for the state of each of {q.settings.max_num_seqs:,} requests (config/compilation.py)"
        inputs.append(_bytes("cuda_graphs_of_decodes", q.sized.capture_bytes, each))
    if q.need_bytes > max(i.value for i in inputs):
        inputs.append(_bytes("loading", q.need_bytes, "the largest layer before it is quantized"))
    formula = f"max({', '.join(i.name for i in inputs)})"
    source = "what `fits` asks of kv_cache_bytes at its low end"
    return _exact("needed_bytes", q.need_bytes, formula, inputs, source)


# Pieces.


def _term(name: str, term: MemoryTerm, formula: str, inputs: Iterable[Given]) -> Derivation:
    return Derivation(
        name=name, value=term.bytes, low=term.low_bytes, high=term.high_bytes, unit="bytes", formula=formula,
        inputs=tuple(inputs), source=term.source, errors=_errors(term.name),
        note="" if term.inside_budget else "beyond the budget: the KV cache is not smaller for it",
    )  # fmt: skip


def _exact(name: str, value: int, formula: str, inputs: Iterable[Given], source: str) -> Derivation:
    """A number of bytes that is no estimate."""
    return Derivation(
        name=name, value=value, low=value, high=value, unit="bytes", formula=formula, inputs=tuple(inputs),
        source=source,
    )  # fmt: skip


def _errors(term: str) -> tuple[Measured, ...]:
    return tuple(
        Measured(logs=e.logs, count=e.count, mean_fraction=e.mean_fraction, median_fraction=e.median_fraction)
        for e in errors_of(term)
    )


def _band(name: str, band: Band, source: str) -> Given:
    return _bytes(name, band.typical, source)


def _ends(term: MemoryTerm) -> str:
    if term.low_bytes == term.high_bytes:
        return "exact"
    return f"{gib(term.low_bytes, 2)} to {gib(term.high_bytes, 2)}"


def _split(q: Question) -> str:
    layout = q.sized.load.layout
    ranks = layout.tensor_parallel_size * layout.pipeline_parallel_size
    return "" if ranks == 1 else f"of the rank that holds most, of {ranks}"


def _kv_dtype(q: Question) -> str:
    asked = q.settings.kv_cache_dtype
    return f"{asked} ({q.sized.kv_element_bytes} B an element)"


def _bytes(name: str, value: float, source: str) -> Given:
    return Given(name=name, value=value, unit="bytes", source=source)


def _setting(name: str, value: float) -> Given:
    return Given(name=name, value=value, source=_SETTING)
