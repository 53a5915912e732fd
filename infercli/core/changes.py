"""The smallest changes with which a plan that does not fit would, each found by planning it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from infercli.core.checkpoint import Quantization, typical
from infercli.core.deployment import ModelDeployment
from infercli.core.gpus import find_gpu
from infercli.core.outcome import Outcome
from infercli.core.placement import engines_that_fit
from infercli.core.plan import Change
from infercli.core.profile import HardwareProfile
from infercli.core.quantization import expand
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

Attempt = Callable[[ModelDeployment, HardwareProfile, Quantization], Outcome]
"""Plans a variant. Raises InputError where the variant is impossible, Unsupported where it is not taught."""

_MOST_GPUS_PER_NODE = 8  # the largest machines that profiles describe


class _Variant(NamedTuple):
    words: str
    """As the user would type it."""
    deployment: ModelDeployment
    profile: HardwareProfile
    quantization: Quantization


def changes(
    deployment: ModelDeployment,
    profile: HardwareProfile,
    quantization: Quantization,
    outcome: Outcome,
    attempt: Attempt,
) -> tuple[Change, ...]:
    """Changes that were planned and fit, the least first in each direction; empty where none does."""
    found: list[Change] = []
    for direction in (_splits, _stages, _methods, _lengths, _sequences, _kv_cache, _workload, _replicas, _more_gpus):
        for variant in direction(deployment, profile, quantization, outcome):
            tried = _fitting(variant, attempt)
            if tried is not None:
                found.append(Change(change=variant.words, effect=tried.verdict))
                break
    return tuple(found)


def _fitting(variant: _Variant, attempt: Attempt) -> Outcome | None:
    try:
        tried = attempt(variant.deployment, variant.profile, variant.quantization)
    except (InputError, Unsupported):
        return None
    return tried if tried.fits else None


def _with_args(deployment: ModelDeployment, **args: Json) -> ModelDeployment:
    """`deployment` with these engine_args; None drops one."""
    merged = {k: v for k, v in (deployment.engine_args | args).items() if v is not None}
    return deployment.model_copy(update={"engine_args": merged})


def _splits(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    if d.engine_args.get("tensor_parallel_size") is None:
        return  # every size of the profile was tried
    for size in range(d.engine_args["tensor_parallel_size"] + 1, p.gpus_per_node + 1):
        yield _Variant(f"engine_args.tensor_parallel_size: {size}", _with_args(d, tensor_parallel_size=size), p, q)


def _stages(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    """Whole nodes in a pipeline, where the profile has several."""
    if p.accelerator != "gpu" or d.engine_args.get("pipeline_parallel_size") not in (None, 1):
        return
    ranks = p.gpus_per_node
    stages = 2
    while engines_that_fit(p, stages * ranks, grown=True) >= d.replicas:
        words = f"engine_args.tensor_parallel_size: {ranks} and pipeline_parallel_size: {stages}, over {stages} nodes"
        yield _Variant(words, _with_args(d, tensor_parallel_size=ranks, pipeline_parallel_size=stages), p, q)
        stages += 1


def _methods(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    for method in expand(p.quantizations):
        if method not in (q.method, "none", "mixed"):  # mixed is nothing without a checkpoint's own list of modules
            changed = d.model_copy(update={"quantization": method})
            yield _Variant(f"--quantization {method}, with a checkpoint that is it", changed, p, typical(method))


def _lengths(d: ModelDeployment, p: HardwareProfile, q: Quantization, outcome: Outcome) -> Iterator[_Variant]:
    where = "engine_args.max_model_len"
    asked = d.engine_args.get("max_model_len")
    if asked is None and d.workload.max_context_tokens is not None:
        where, asked = "workload.max_context_tokens", d.workload.max_context_tokens
    if asked is None or outcome.longest_that_fits is None:
        return
    room = outcome.longest_that_fits
    for length in sorted({room, room // 1024 * 1024}):
        if 0 < length < asked:
            changed = _with_args(d, max_model_len=length)
            if where.startswith("workload"):
                workload = d.workload.model_copy(update={"max_context_tokens": length})
                changed = d.model_copy(update={"workload": workload})
            yield _Variant(f"{where}: {length}", changed, p, q)


def _sequences(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    asked = d.engine_args.get("max_num_seqs")
    while asked is not None and asked > 1:
        asked //= 2
        yield _Variant(f"engine_args.max_num_seqs: {asked}", _with_args(d, max_num_seqs=asked), p, q)


def _kv_cache(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    gpu = find_gpu(p.gpu) if isinstance(p.gpu, str) else p.gpu
    native = gpu is not None and gpu.at_least((8, 9))  # below, whether it works depends on the attention backend
    if native and d.engine_args.get("kv_cache_dtype", "auto") == "auto" and not q.kv_cache_fp8:
        yield _Variant(
            "engine_args.kv_cache_dtype: fp8 (check long prompts against a golden set)",
            _with_args(d, kv_cache_dtype="fp8"),
            p,
            q,
        )


def _workload(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    concurrency = d.workload.concurrency
    while concurrency > 1:
        concurrency = concurrency * 3 // 4
        workload = d.workload.model_copy(update={"concurrency": concurrency})
        yield _Variant(f"workload.concurrency: {concurrency}", d.model_copy(update={"workload": workload}), p, q)


def _replicas(d: ModelDeployment, p: HardwareProfile, q: Quantization, outcome: Outcome) -> Iterator[_Variant]:
    if p.accelerator != "gpu":
        return
    room = engines_that_fit(p, outcome.gpus, grown=True)
    if 0 < room < d.replicas:
        yield _Variant(f"replicas: {room}", d.model_copy(update={"replicas": room}), p, q)


def _more_gpus(d: ModelDeployment, p: HardwareProfile, q: Quantization, _: Outcome) -> Iterator[_Variant]:
    if p.accelerator != "gpu":
        return
    free = _with_args(d, tensor_parallel_size=None)
    gpus = p.gpus_per_node * 2
    while gpus <= _MOST_GPUS_PER_NODE:
        nodes = tuple(n.model_copy(update={"gpus": gpus}) for n in p.nodes)
        yield _Variant(f"a profile with {gpus} GPUs per node", free, p.model_copy(update={"nodes": nodes}), q)
        gpus *= 2
