"""How weights are stored: the scheme of one linear layer, and which layers of a checkpoint have which.

The one thing to know: a tensor that vLLM merges (query, key and value) is one tensor with one scheme. Where a config
disagrees about its parts vLLM refuses to load it; here such a tensor counts as unquantized, the larger of the two.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache

from infercli.core.gpus import Gpu
from infercli.core.quantization.methods import METHODS, Method, capability_text, require_capability
from infercli.core.quantization.module_names import NO_MODULES, Modules, read_modules
from infercli.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How one linear layer is stored."""

    method: str
    """A row of METHODS."""
    bits: float | None
    """Of one quantized weight; None: the model's dtype, or (method `mixed`) what each module says."""
    group_size: int | None = None
    """Weights per scale along the input dimension; None: one scale per output."""
    zero_points: bool = False
    block: tuple[int, int] | None = None
    """FP8 scales per (output, input) block; None: per tensor or per output."""
    act_order: bool = False
    """GPTQ's desc_act: the kernel then needs aligned shapes."""


@dataclass(frozen=True, kw_only=True)
class Quantization(Scheme):
    """How a checkpoint stores its linear layers. Embeddings, norms and routers keep the model's dtype.

    The fields of Scheme are those of every linear layer that nothing below speaks of.
    """

    skipped: Modules = NO_MODULES
    """Linear layers that keep the model's dtype."""
    only: Modules = NO_MODULES
    """Where not empty: no other linear layer is quantized."""
    by_module: tuple[tuple[Modules, Scheme], ...] = ()
    """Modules with a scheme of their own; the first that names a module wins."""
    lm_head: bool = False
    """Whether lm_head is quantized like a linear layer (where nothing above says otherwise)."""
    unexplained_fraction: float = 0
    """What the files hold beyond all this, as a fraction of it: layers that were left out of the quantization."""
    kv_cache_fp8_since: tuple[int, int] | None = None
    """The checkpoint asks for an FP8 KV cache, and vLLM's `auto` obeys from this release on; None: it does not ask."""
    kv_scales: bool = False
    """Its layers have scales for the KV cache, which are those of FP8 E4M3."""
    format_capability: tuple[int, int] | None = None
    """What the checkpoint's own format demands of a GPU beyond the method; None: nothing."""
    assumed: bool = False
    """Nobody said which layers are quantized: those that usually are."""
    unstated: tuple[str, ...] = ()
    """Fields that the format should have and that the config leaves out: the layers left out are then unknown."""

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """The rows of METHODS that run it: one, or one per scheme of a mixed checkpoint."""
        names = dict.fromkeys([self.method, *(s.method for _, s in self.by_module)])
        return tuple(METHODS[n] for n in names)

    @property
    def kv_cache_fp8(self) -> bool:
        """Whether the checkpoint asks for an FP8 KV cache."""
        return self.kv_cache_fp8_since is not None

    def caches_fp8(self, release: tuple[int, int]) -> bool:
        """Whether this vLLM release takes the FP8 KV cache that the checkpoint asks for."""
        return self.kv_cache_fp8_since is not None and release >= self.kv_cache_fp8_since


UNQUANTIZED = Quantization(method="none", bits=None)
EXPERTS = read_modules(["*.experts*"], plain="path")
"""The routed experts: all that MXFP4 quantizes (vLLM 0.29 quantization/mxfp4.py: no linear method)."""


_LEFT_OUT_OF_NVFP4 = read_modules(["re:.*linear_attn.*", "mtp*"], plain="path")
"""What NVFP4 checkpoints keep in more bits where the model has it: gated-delta layers and draft layers. All that were
seen do (nvidia/Qwen3.5-122B and 397B, Qwen3.6-35B, by their ignore lists; RedHatAI/Qwen3.6-35B by its printed size)."""


def typical(method_name: str) -> Quantization:
    """What a checkpoint of that method usually is: used where a shape is planned without a checkpoint.

    Raises InputError for `mixed`, which is nothing without the checkpoint's own list of modules.
    """
    method = METHODS[method_name]
    if method.name == "mixed":
        raise InputError(
            "mixed precision is what a checkpoint says of each module, and there is no checkpoint here",
            "pin the checkpoint, or name one method: `infercli plan --help` lists them",
        )
    return Quantization(
        method=method.name,
        bits=method.bits,
        group_size=method.group_size,
        zero_points=method.zero_points,
        skipped=_LEFT_OUT_OF_NVFP4 if method.name == "nvfp4" else NO_MODULES,
        only=EXPERTS if method.name == "mxfp4" else NO_MODULES,
        assumed=not method.loads_as_model_dtype and method.name not in ("none", "mxfp4"),
    )


def plain_scheme(quantization: Quantization) -> Scheme:
    """The scheme alone of what nothing else speaks of."""
    return Scheme(**{f.name: getattr(quantization, f.name) for f in fields(Scheme)})


@lru_cache(maxsize=16384)
def schemes_of(
    quantization: Quantization, modules: tuple[str, ...], indices: tuple[int, ...], *, head: bool = False
) -> tuple[tuple[Scheme | None, int], ...]:
    """((scheme, number of layers), ...) of a linear tensor merged from `modules` in the layers `indices`.

    None is the model's dtype. `indices` () is one module outside the layers; `head` says that it is lm_head.
    """
    asked = indices or (-1,)
    if head and not quantization.lm_head:
        return ((None, 1),)
    left = frozenset(asked)
    unquantized = _any(quantization.skipped, modules, indices)
    counted: Counter[Scheme | None] = Counter()
    left -= unquantized
    for meant, scheme in quantization.by_module:
        here = _all(meant, modules, indices) & left
        counted[scheme] += len(here)
        left -= here
    if quantization.bits is None or quantization.method == "mixed":
        default: frozenset[int] = frozenset()
    elif quantization.only:
        default = _all(quantization.only, modules, indices) & left
    else:
        default = left
    counted[plain_scheme(quantization)] += len(default)
    counted[None] += len(asked) - sum(counted.values())
    return tuple((scheme, layers) for scheme, layers in counted.items() if layers)


def _any(meant: Modules, modules: tuple[str, ...], indices: tuple[int, ...]) -> frozenset[int]:
    return frozenset().union(*(meant.covered(m, indices) for m in modules)) if meant else frozenset()


def _all(meant: Modules, modules: tuple[str, ...], indices: tuple[int, ...]) -> frozenset[int]:
    covered = [meant.covered(m, indices) for m in modules]
    return frozenset.intersection(*covered) if covered else frozenset()


def require_gpu(quantization: Quantization, gpu: Gpu, engine_version: str | None = None) -> tuple[str, ...]:
    """Raises InputError where the GPU cannot run one of the methods; notes on those that it runs weight-only.

    `engine_version`: of vLLM (`0.29.0`); None: the newest.
    """
    needed = quantization.format_capability
    if needed is not None and gpu.capability is not None and gpu.capability < needed:
        raise InputError(
            f"this {quantization.method} checkpoint's format needs compute capability {capability_text(needed)}, and "
            f"{gpu.name} has {capability_text(gpu.capability)}",
            "take a checkpoint by llm-compressor (compressed-tensors) of the same model",
        )
    notes = (require_capability(m, gpu, engine_version) for m in quantization.methods)
    return tuple(n for n in notes if n is not None)
