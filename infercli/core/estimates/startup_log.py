"""What vLLM says of a start: how it was started, and the memory that it printed. Logs from 0.6 on, and /metrics.

The one thing to know: every rank prints. The largest weights and the smallest KV cache count, since vLLM gives all
ranks the blocks that the smallest one has room for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from itertools import pairwise

from infercli.core.record import Json, Record

_NUMBER = r"(-?\d+(?:\.\d+)?)"


class StartupLog(Record):
    """None: the log does not say it. GiB are vLLM's own, printed with two to four decimals."""

    engine_version: str | None = None
    model: str | None = None
    dtype: str | None = None
    quantization: str | None = None
    """vLLM's name for it; `none` where the log says None."""
    kv_cache_dtype: str | None = None
    mamba_ssm_cache_dtype: str | None = None
    max_model_len: int | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    decode_context_parallel_size: int | None = None
    enforce_eager: bool | None = None
    enable_expert_parallel: bool | None = None
    enable_prefix_caching: bool | None = None
    disable_hybrid_kv_cache_manager: bool | None = None
    language_model_only: bool | None = None
    enable_lora: bool | None = None
    max_loras: int | None = None
    max_lora_rank: int | None = None
    limit_mm_per_prompt: dict[str, Json] | None = None
    mm_processor_kwargs: dict[str, Json] | None = None
    speculation: str | None = None
    """The method that drafts."""
    speculative_tokens: int | None = None
    draft_model: str | None = None
    """What drafts, where it has weights."""
    cpu_offload_gb: float | None = None
    """Weights that are no GPU's."""
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    gpu_memory_gib: float | None = None
    """The driver's total."""
    weights_gib: float | None = None
    activation_gib: float | None = None
    non_torch_gib: float | None = None
    cuda_graphs_gib: float | None = None
    available_kv_gib: float | None = None
    kv_cache_tokens: int | None = None
    kv_cache_blocks: int | None = None
    """As /metrics and V0 count them: logs of V1 do not say it."""
    max_concurrency: float | None = None


# Patterns: the log statements of vLLM 0.6.3 to 0.32 (worker/worker.py, v1/worker/gpu_worker.py, gpu_model_runner.py,
# v1/core/kv_cache_utils.py, v1/engine/core.py, engine/llm_engine.py, entrypoints/openai/api_server.py).
_STARTS = (r"vLLM (?:API )?server version v?([^\s,]+)", r"█ +version v?(\S+)")
"""What a server prints first: a sentence, or a line of its logo (vllm-project/vllm#32796)."""
_VERSION = (r"LLM engine \(v?([^)\s]+)\) with config", *_STARTS)
_SETTINGS = {
    "model": (r"with config: model='([^']+)'", r"\bmodel='([^']+)'"),
    "dtype": (r"\bdtype=(?:torch\.)?(\w+)",),
    "quantization": (r"\bquantization=([\w-]+)",),
    "kv_cache_dtype": (r"\bkv_cache_dtype=(?:torch\.)?(\w+)",),
    "mamba_ssm_cache_dtype": (r"\bmamba_ssm_cache_dtype['\"]?[=:] ?'(float32|float16|bfloat16)'",),
}
_COUNTS = {
    "max_model_len": (r"\bmax_seq_len=(\d+)",),
    "tensor_parallel_size": (r"\btensor_parallel_size=(\d+)",),
    "pipeline_parallel_size": (r"\bpipeline_parallel_size=(\d+)",),
    "data_parallel_size": (r"\bdata_parallel_size=(\d+)",),
    "decode_context_parallel_size": (r"\bdecode_context_parallel_size=(\d+)",),
    # Arguments are a Namespace(...) in older versions and a dict of the non-default ones since.
    "max_loras": (r"\bmax_loras['\"]?[=:] ?(\d+)",),
    "max_lora_rank": (r"\bmax_lora_rank['\"]?[=:] ?(\d+)",),
    "max_num_seqs": (r"max_num_seqs['\"]?[=:] ?(\d+)",),
    "kv_cache_memory_bytes": (r"kv_cache_memory_bytes['\"]?[=:] ?(\d+)",),
    "max_num_batched_tokens": (
        r"max_num_batched_tokens['\"]?[=:] ?(\d+)",
        r"Chunked prefill is enabled with max_num_batched_tokens=(\d+)",
    ),
}
_SWITCHES = (
    "enforce_eager", "enable_expert_parallel", "enable_prefix_caching", "disable_hybrid_kv_cache_manager",
    "language_model_only", "enable_lora",
)  # fmt: skip
_SPECULATION = re.compile(r"SpeculativeConfig\(method='(\w+)', model=(?:None|'([^']*)'), num_spec_tokens=(\d+)\)")
_OFFLOADED = (rf"\bcpu_offload_gb['\"]?[=:] ?{_NUMBER}",)
_LIMITS = (r"limit_mm_per_prompt['\"]?[=:] ?(\{[^{}]*\})",)
_PROCESSOR = (r"mm_processor_kwargs['\"]?[=:] ?(\{(?:[^{}]|\{[^{}]*\})*\})",)
_WEIGHTS = (
    rf"Model loading took {_NUMBER} Gi?B",
    rf"Loading model weights took {_NUMBER} GB",
    rf"model weights take {_NUMBER} ?GiB",
)
_POOL = (
    rf"Available KV cache memory: {_NUMBER} GiB",
    rf"memory reserved for KV Cache is {_NUMBER} ?GiB",
    rf"kv_cache_size={_NUMBER}GiB",
    rf"[Cc]urrent kv cache memory in use is {_NUMBER} ?GiB",
)
_ACTIVATION = (rf"activation peak memory takes {_NUMBER} ?GiB", rf"{_NUMBER} GiB for peak activation")
_NON_TORCH = (rf"non_torch_memory takes {_NUMBER} ?GiB", rf"{_NUMBER} GiB for non-torch memory")
_CONSUMED = (rf"{_NUMBER} GiB for consumed memory",)
"""Since 0.27: weights and non-torch. That sentence's peak activation has the estimate of the CUDA graphs in it, where
they are deducted."""
_GRAPHS_ESTIMATED = (
    rf"Estimated CUDA graph memory: {_NUMBER} GiB",
    rf"CUDA graph pool memory: .*?\(actual\), {_NUMBER} GiB \(estimated\)",
)
_GRAPHS = (*_GRAPHS_ESTIMATED, rf"Graph capturing finished in .*?took {_NUMBER} GiB")
_NOT_DEDUCTED = "CUDA graph memory profiling is disabled"
_TOKENS = (r"\b[A-Z]+ KV cache size: ([\d,]+) tokens",)
"""`GPU`; 0.32 prints the device's kind, `XPU` for one."""
_BLOCKS = (r"# \w+ blocks: (\d+), # CPU blocks:",)
"""Of V0 (0.6.3 executor/gpu_executor.py, later executor/executor_base.py), of as many tokens as the arguments say."""
_V0_BLOCK_TOKENS = 16
"""Where the arguments do not say it: V0's default on CUDA (0.6.3 engine/arg_utils.py, 0.7.3 platforms/cuda.py)."""
_CONCURRENCY = (rf"Maximum concurrency for [\d,]+ tokens per request: {_NUMBER}x",)
_UTILIZATION = (
    rf"gpu_memory_utilization['\"]?[=:] ?{_NUMBER}",
    rf"gpu_memory_utilization \({_NUMBER}\)",
    rf"Desired GPU memory utilization is \({_NUMBER},",
)
_TOTAL = (
    rf"total_gpu_memory[ =]\(?{_NUMBER} ?GiB",
    rf"Free memory on device \({_NUMBER}/(?P<total>\d+(?:\.\d+)?) GiB\)",
)


_WORDS = (
    "version", "LLM engine", "with config", "model='", "dtype", "quantization", "max_seq_len", "_parallel_size",
    "max_lora", "max_num_", "kv_cache_memory_bytes", "SpeculativeConfig", "cpu_offload_gb", "limit_mm_per_prompt",
    "mm_processor_kwargs",
    *_SWITCHES, "block_size", "GiB", " GB", "KV cache size", "blocks", "Maximum concurrency", "emory utilization",
    "gpu_memory_utilization", _NOT_DEDUCTED,
)  # fmt: skip
"""One of them is in every line that a pattern above finds anything in."""
_PRINTED = (*_WEIGHTS, *_POOL, *_TOKENS, *_BLOCKS)
_CACHE = re.compile(r"^vllm:cache_config_info\{(.*)\}", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def start_in(text: str) -> str:
    """What of a log, or of an answer of /metrics, is the start's own: read again an hour later, the rest has grown."""
    cache = _CACHE.search(text)
    if cache is not None:
        return f"{_served(text)} {cache[1]}"
    plain = _last_start(_COLOURS.sub("", text))
    return plain[: max((m.end() for pattern in _PRINTED for m in re.finditer(pattern, plain)), default=None)]


def read_startup_log(text: str) -> StartupLog | None:
    """What a log, or a saved answer of /metrics, says; None where it is none of vLLM's: it prints no memory."""
    cache = _CACHE.search(text)
    if cache is not None:
        return _read_metrics(cache[1], text)
    plain = _last_start(_COLOURS.sub("", _saying(text)))
    found: dict[str, object] = {"engine_version": _first(_VERSION, plain)}
    for name, patterns in _SETTINGS.items():
        value = _first(patterns, plain)
        found[name] = value.lower() if name == "quantization" and value else value
    for name, patterns in _COUNTS.items():
        value = _first(patterns, plain)
        found[name] = None if value is None else int(value)
    for name in _SWITCHES:
        # The arguments come first, and what the engine made of them last.
        said = _all((rf"\b{name}=(True|False)", rf"'{name}': (True|False)"), plain)
        found[name] = said[-1] == "True" if said else None
    found["cpu_offload_gb"] = _number(_first(_OFFLOADED, plain))
    found["limit_mm_per_prompt"] = _mapping(_first(_LIMITS, plain))
    found["mm_processor_kwargs"] = _mapping(_first(_PROCESSOR, plain))
    drafting = _SPECULATION.search(plain)
    if drafting is not None:
        found |= {"speculation": drafting[1], "draft_model": drafting[2], "speculative_tokens": int(drafting[3])}
    found["gpu_memory_utilization"] = _number(_first(_UTILIZATION, plain))
    found["gpu_memory_gib"] = _number(_first(_TOTAL, plain))
    found["weights_gib"] = _largest(_WEIGHTS, plain)
    found["activation_gib"] = _largest(_ACTIVATION, plain)
    found["non_torch_gib"] = _largest(_NON_TORCH, plain)
    found["cuda_graphs_gib"] = _largest(_GRAPHS, plain)
    found["available_kv_gib"] = _smallest(_POOL, plain)
    consumed = _largest(_CONSUMED, plain)
    if consumed is not None:
        found |= _parts(consumed, plain)
    tokens = [int(t.replace(",", "")) for t in _all(_TOKENS, plain)]
    found["kv_cache_tokens"] = min(tokens) if tokens else None
    blocks = _first(_BLOCKS, plain)
    if blocks is not None:
        each = int(_first((r"\bblock_size=(\d+)",), plain) or _V0_BLOCK_TOKENS)
        found |= {"kv_cache_blocks": int(blocks), "kv_cache_tokens": int(blocks) * each}
    found["max_concurrency"] = _smallest(_CONCURRENCY, plain)
    log = StartupLog.model_validate(found)
    if log.weights_gib is None and log.available_kv_gib is None and log.kv_cache_tokens is None:
        return None
    return log


def _saying(text: str) -> str:
    """The lines that may say something: each pattern reads all there are, and a server logs gigabytes of others."""
    ends: dict[int, int] = {}  # of a line, by its beginning
    for word in _WORDS:
        at = text.find(word)
        while at >= 0:
            begin, end = text.rfind("\n", 0, at) + 1, text.find("\n", at) + 1
            ends[begin] = end or len(text)
            at = text.find(word, ends[begin])
    return "".join(text[begin:end] for begin, end in sorted(ends.items()))


def _last_start(text: str) -> str:
    """Of a file that restarts were appended to, the last start that printed memory: each has its own settings."""
    begins = sorted({m.start() for pattern in _STARTS for m in re.finditer(pattern, text)})
    parts = [text[begin:end] for begin, end in pairwise([*begins, len(text)])]
    whole = [part for part in parts if any(re.search(pattern, part) for pattern in _PRINTED)]
    return whole[-1] if len(parts) > 1 and whole else text


def _mapping(said: str | None) -> dict[str, Json] | None:
    try:
        value = ast.literal_eval(said or "")
    except (ValueError, SyntaxError):
        return None
    return value if isinstance(value, dict) else None


def _parts(consumed: float, text: str) -> dict[str, float]:
    """What 0.27 and later print as sums, taken apart: non-torch, and the activation without the CUDA graphs."""
    parts = {}
    weights, peak = _largest(_WEIGHTS, text), _largest(_ACTIVATION, text)
    if weights is not None:
        parts["non_torch_gib"] = round(consumed - weights, 2)
    graphs = None if _NOT_DEDUCTED in text else _largest(_GRAPHS_ESTIMATED, text)
    if peak is not None and graphs is not None:
        parts["activation_gib"] = round(peak - graphs, 2)
    return parts


def _read_metrics(cache_labels: str, text: str) -> StartupLog | None:
    """The gauge that carries the cache's settings as labels (v1/metrics/loggers.py, engine/metrics.py)."""
    labels = dict(re.findall(r'(\w+)="([^"]*)"', cache_labels))
    blocks, block_tokens = labels.get("num_gpu_blocks", ""), labels.get("block_size", "")
    if not (blocks.isdigit() and block_tokens.isdigit()):
        return None
    return StartupLog(
        model=_served(text),
        kv_cache_dtype=labels.get("cache_dtype"),
        gpu_memory_utilization=_number(labels.get("gpu_memory_utilization")),
        kv_cache_memory_bytes=int(given) if (given := labels.get("kv_cache_memory_bytes", "")).isdigit() else None,
        kv_cache_tokens=int(blocks) * int(block_tokens),
        kv_cache_blocks=int(blocks),
    )


def _served(metrics: str) -> str | None:
    return _first((r'model_name="([^"]+)"',), metrics)


def _all(patterns: Iterable[str], text: str) -> list[str]:
    """Every hit of the first pattern that has one: versions print a thing in one way."""
    for pattern in patterns:
        hits = [m.groupdict().get("total") or m[1] for m in re.finditer(pattern, text)]
        if hits:
            return hits
    return []


def _first(patterns: Iterable[str], text: str) -> str | None:
    return next(iter(_all(patterns, text)), None)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _largest(patterns: Iterable[str], text: str) -> float | None:
    return max((float(hit) for hit in _all(patterns, text)), default=None)


def _smallest(patterns: Iterable[str], text: str) -> float | None:
    return min((float(hit) for hit in _all(patterns, text)), default=None)
