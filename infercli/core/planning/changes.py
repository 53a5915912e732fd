"""The smallest changes with which a plan that does not fit would, each found by planning it."""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.plan import Change
from infercli.core.documents.profile import LARGEST_NODE_GPUS, HardwareProfile
from infercli.core.memory.shared import shares_memory
from infercli.core.memory.vision import fewer_pixels
from infercli.core.planning.outcome import Outcome
from infercli.core.planning.placement import engines_that_fit
from infercli.core.quantization.checkpoint import Quantization, typical
from infercli.core.quantization.methods import METHODS, expand
from infercli.core.record import Json
from infercli.core.units import GIB
from infercli.errors import InputError, UnknownName, Unsupported

Attempt = Callable[[ModelDeployment, HardwareProfile, Quantization | None], Outcome]
"""Plans a variant; without a quantization with what the deployment's is on that profile.

Raises InputError where the variant is impossible, Unsupported where it is not taught."""

NODES = (2, 3, 4)
"""Of the largest nodes, so many are tried for one engine."""


class Offer(NamedTuple):
    """A profile that can be had by its name."""

    profile: HardwareProfile
    usd_per_gpu_h: float | None
    """None: unknown."""


class Refused(NamedTuple):
    """A plan that does not fit, and what may be changed about it."""

    deployment: ModelDeployment
    profile: HardwareProfile
    quantization: Quantization
    outcome: Outcome
    convertible: bool = True
    """False: the model's own checkpoint is quantized already, and vLLM takes it as it is."""
    pinned: bool = False
    """The checkpoint is what the lock says; another one has to be pinned."""
    typed: bool = False
    """The command line said what to plan, and changes are its flags; False: they are keys of a deployment.yaml."""
    offers: tuple[Offer, ...] = ()


class _Variant(NamedTuple):
    keys: dict[str, Json]
    """What changes, by its place in deployment.yaml."""
    deployment: ModelDeployment
    profile: HardwareProfile
    quantization: Quantization | None
    before: str = ""
    after: str = ""

    def words(self, *, typed: bool) -> str:
        """As the user would type it."""
        if typed:
            said = " ".join(f"{_flag(key)} {value}" for key, value in self.keys.items())
        else:
            said = " and ".join(f"{key}: {value}" for key, value in self.keys.items())
        return self.before + said + self.after


class _Fitting(NamedTuple):
    variant: _Variant
    outcome: Outcome


def changes(refused: Refused, attempt: Attempt) -> tuple[Change, ...]:
    """Changes that were planned and fit, the least first in each direction; empty where none does."""
    directions = (
        partial(_left_out, "kv_cache_memory_bytes"),
        partial(_left_out, "gpu_memory_utilization"),
        _cache_of_a_size,
        _smaller_share,
        _splits,
        _stages,
        _methods,
        _lengths,
        _sequences,
        _pixels,
        _kv_cache,
        _workload,
        _replicas,
    )
    found = [next(_fitting(direction(refused), attempt), None) for direction in directions]
    more = next(_fitting(_more_gpus(refused), attempt), None)
    found.append(_cheapest(refused, attempt) if more is None else more)
    typed = refused.typed
    return tuple(Change(change=f.variant.words(typed=typed), effect=f.outcome.verdict) for f in found if f is not None)


def _fitting(variants: Iterable[_Variant], attempt: Attempt) -> Iterator[_Fitting]:
    for variant in variants:
        try:
            tried = attempt(variant.deployment, variant.profile, variant.quantization)
        except (InputError, UnknownName, Unsupported):
            continue
        if tried.fits:
            yield _Fitting(variant, tried)


def _flag(key: str) -> str:
    """The flag of `infercli plan` for a key of deployment.yaml."""
    return f"--{key.rpartition('.')[2].replace('_', '-')}"


def _with_args(deployment: ModelDeployment, **args: Json) -> ModelDeployment:
    """`deployment` with these engine_args; None drops one."""
    merged = {k: v for k, v in (deployment.engine_args | args).items() if v is not None}
    return deployment.model_copy(update={"engine_args": merged})


def _engine_args(refused: Refused, after: str = "", **args: Json) -> _Variant:
    """With these engine_args."""
    keys = {f"engine_args.{name}": value for name, value in args.items()}
    changed = _with_args(refused.deployment, **args)
    return _Variant(keys, changed, refused.profile, refused.quantization, after=after)


def _in_the_file(r: Refused, name: str, value: Json) -> _Variant:
    """With an argument of the engine that is no flag of `infercli plan`."""
    said, where = f"engine_args.{name}: {json.dumps(value)}", " in deployment.yaml" if r.typed else ""
    return _Variant({}, _with_args(r.deployment, **{name: value}), r.profile, r.quantization, before=said, after=where)


def _with_workload(r: Refused, name: str, value: int) -> _Variant:
    """With another number in the workload."""
    workload = r.deployment.workload.model_copy(update={name: value})
    changed = r.deployment.model_copy(update={"workload": workload})
    return _Variant({f"workload.{name}": value}, changed, r.profile, r.quantization)


def _left_out(name: str, r: Refused) -> Iterator[_Variant]:
    """With as much memory as the planner would give, where the user gave another amount; a CPU has no such thing."""
    if r.profile.accelerator == "gpu" and r.deployment.engine_args.get(name) is not None:
        changed = _with_args(r.deployment, **{name: None})
        yield _Variant({}, changed, r.profile, r.quantization, before=f"without engine_args.{name}")


def _cache_of_a_size(r: Refused) -> Iterator[_Variant]:
    """What the workload needs, given, where the machine shares the memory: no start measures anything else then."""
    question = r.outcome.question
    if question is None or not shares_memory(question.gpu) or question.settings.kv_cache_memory_bytes is not None:
        return
    yield _in_the_file(r, "kv_cache_memory_bytes", -(-question.need_bytes // GIB) * GIB)


_LEAST_SHARE_PERCENT = 60
"""Of 8 GiB, 3 GiB are left then: more than the driver takes of any GPU (core/memory/sizing.py)."""


def _smaller_share(r: Refused) -> Iterator[_Variant]:
    """A hundredth less at a time, where all that is in the way is what the driver keeps when vLLM looks."""
    question = r.outcome.question
    if question is None or question.sized.free or r.outcome.missing_bytes:
        return
    for percent in range(round(100 * question.settings.gpu_memory_utilization) - 1, _LEAST_SHARE_PERCENT - 1, -1):
        yield _in_the_file(r, "gpu_memory_utilization", percent / 100)


def _splits(r: Refused) -> Iterator[_Variant]:
    asked = r.deployment.engine_args.get("tensor_parallel_size")
    if asked is not None:  # else every size of the profile was tried
        for size in range(asked + 1, r.profile.gpus_per_node + 1):
            yield _engine_args(r, tensor_parallel_size=size)


def _stages(r: Refused) -> Iterator[_Variant]:
    """Whole nodes in a pipeline, where the profile has several."""
    if r.profile.accelerator != "gpu" or r.deployment.engine_args.get("pipeline_parallel_size") not in (None, 1):
        return
    ranks, stages = r.profile.gpus_per_node, 2
    while engines_that_fit(r.profile, stages * ranks, grown=True) >= r.deployment.replicas:
        where = f", over {stages} nodes"
        yield _engine_args(r, after=where, tensor_parallel_size=ranks, pipeline_parallel_size=stages)
        stages += 1
    yield from _more_nodes(r)


def _more_nodes(r: Refused) -> Iterator[_Variant]:
    """One engine over more of the largest nodes than the profile has."""
    p = r.profile
    for count in NODES if p.gpus_per_node >= LARGEST_NODE_GPUS else ():
        if engines_that_fit(p, count * p.gpus_per_node, grown=True) >= r.deployment.replicas:
            continue  # the profile has them, and was tried
        nodes = (p.nodes[0].model_copy(update={"count": count * r.deployment.replicas, "max_count": None}),)
        before = f"a profile with {nodes[0].count} nodes of {p.gpus_per_node} GPUs, and "
        wider = _engine_args(r, tensor_parallel_size=p.gpus_per_node, pipeline_parallel_size=count)
        sizes = (p.gpu, p.gpus_per_node, nodes[0].count * p.gpus_per_node)
        named = [o.profile for o in r.offers if (o.profile.gpu, o.profile.gpus_per_node, o.profile.max_gpus) == sizes]
        if named:
            deployment = wider.deployment.model_copy(update={"profile": named[0].name})
            keys: dict[str, Json] = {"profile": named[0].name, **wider.keys}
            yield wider._replace(keys=keys, deployment=deployment, profile=named[0])
        yield wider._replace(before=before, profile=p.model_copy(update={"nodes": nodes}))


def _methods(r: Refused) -> Iterator[_Variant]:
    """Other checkpoints of the model. Of one that is quantized already, nobody has another."""
    for method in expand(r.profile.quantizations) if r.convertible else ():
        row = METHODS[method]
        # mixed is nothing without a checkpoint's own list of modules
        if method in (r.quantization.method, "none", "mixed") or row.as_published:
            continue
        checkpoint = "another checkpoint, pinned first" if r.pinned else "a checkpoint of that kind"
        after = "" if row.loads_as_model_dtype else f", with {checkpoint}"
        changed = r.deployment.model_copy(update={"quantization": method})
        yield _Variant({"quantization": method}, changed, r.profile, typical(method), after=after)


def _lengths(r: Refused) -> Iterator[_Variant]:
    d, room = r.deployment, r.outcome.longest_that_fits
    asked = d.engine_args.get("max_model_len")
    of_workload = asked is None
    if of_workload:
        asked = d.workload.max_context_tokens
    if asked is None or room is None:
        return
    for length in sorted({room, room // 1024 * 1024}):
        if not 0 < length < asked:
            continue
        if of_workload:
            yield _with_workload(r, "max_context_tokens", length)
        else:
            yield _engine_args(r, max_model_len=length)


def _sequences(r: Refused) -> Iterator[_Variant]:
    asked = r.deployment.engine_args.get("max_num_seqs")
    while asked is not None and asked > 1:
        asked //= 2
        yield _engine_args(r, max_num_seqs=asked)


def _pixels(r: Refused) -> Iterator[_Variant]:
    """Smaller images, where nothing is said of them yet."""
    question = r.outcome.question
    if question is not None and not r.deployment.engine_args.get("mm_processor_kwargs"):
        for pixels in fewer_pixels(question.arch):
            yield _in_the_file(r, "mm_processor_kwargs", {"max_pixels": pixels})


def _kv_cache(r: Refused) -> Iterator[_Variant]:
    gpu = r.profile.linked_gpu()
    native = gpu is not None and gpu.at_least((8, 9))  # below, whether it works depends on the attention backend
    if native and r.deployment.engine_args.get("kv_cache_dtype", "auto") == "auto" and not r.quantization.kv_cache_fp8:
        yield _engine_args(r, after=" (check long prompts against a golden set)", kv_cache_dtype="fp8")


def _workload(r: Refused) -> Iterator[_Variant]:
    concurrency = r.deployment.workload.concurrency
    while concurrency > 1:
        concurrency = concurrency * 3 // 4
        yield _with_workload(r, "concurrency", concurrency)


def _replicas(r: Refused) -> Iterator[_Variant]:
    if r.profile.accelerator != "gpu":
        return
    room = engines_that_fit(r.profile, r.outcome.gpus, grown=True)
    if 0 < room < r.deployment.replicas:
        changed = r.deployment.model_copy(update={"replicas": room})
        yield _Variant({"replicas": room}, changed, r.profile, r.quantization)


# Other hardware.


def _more_gpus(r: Refused) -> Iterator[_Variant]:
    """More of the same GPUs: a profile that is at hand, else one that would have to be written."""
    p = r.profile
    if p.accelerator != "gpu":
        return
    larger = [o.profile for o in r.offers if o.profile.gpu == p.gpu and o.profile.gpus_per_node > p.gpus_per_node]
    for profile in sorted(larger, key=lambda x: x.gpus_per_node):
        yield _on(r, profile)
    gpu = p.linked_gpu()
    gpus = p.gpus_per_node * 2
    while gpus <= LARGEST_NODE_GPUS and not (gpu is not None and gpu.unified_memory):
        nodes = tuple(n.model_copy(update={"gpus": gpus}) for n in p.nodes)
        grown = p.model_copy(update={"nodes": nodes})
        before = f"a profile with {gpus} GPUs per node"
        yield _on(r, grown)._replace(keys={}, before=before, quantization=r.quantization)
        gpus *= 2


def _cheapest(r: Refused, attempt: Attempt) -> _Fitting | None:
    """Of the profiles that are at hand; unknown prices come last."""
    if r.profile.accelerator != "gpu":
        return None
    others = {
        o.profile.name: o for o in r.offers if o.profile.accelerator == "gpu" and o.profile.name != r.profile.name
    }

    def price(fitting: _Fitting) -> tuple[bool, float]:
        each, gpus = others[fitting.variant.profile.name].usd_per_gpu_h, fitting.outcome.gpus
        return (each is None, gpus * (each or 1.0))

    return min(_fitting([_on(r, o.profile) for o in others.values()], attempt), key=price, default=None)


def _on(r: Refused, profile: HardwareProfile) -> _Variant:
    """On another profile, with as many GPUs for an engine as it needs there."""
    after = ""
    if r.deployment.engine_args.get("tensor_parallel_size") is not None:
        after = f", without {'--tensor-parallel-size' if r.typed else 'engine_args.tensor_parallel_size'}"
    changed = _with_args(r.deployment, tensor_parallel_size=None).model_copy(update={"profile": profile.name})
    return _Variant({"profile": profile.name}, changed, profile, None, after=after)
