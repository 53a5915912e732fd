"""What each layer of a model keeps per token or per request on one GPU, as vLLM's layers say it (get_kv_cache_spec).

The one thing to know: a model with states (Mamba, DeltaNet) makes the attention block so large that its page holds a
state, and pads the state to that page: on such a model the block size is an outcome, not a setting.
"""

import math
from typing import Literal, NamedTuple, TypeAlias

from infercli.core.architecture.arch import (
    Attention,
    CompressedAttention,
    GatedDelta,
    Indexer,
    LatentAttention,
    Layout,
    Mixer,
    ModelArch,
    ShortConvolution,
    StateSpace,
    kv_heads_per_rank,
    mixers,
    stage_layers,
)
from infercli.core.architecture.layers import Convolved, LayerGroup
from infercli.core.kv_cache.compressed import (
    COMPRESSED_UNASKED,
    compressed_caches,
    ring,
    shared_dtype,
)
from infercli.core.kv_cache.groups import LayerCache, PlacedCache
from infercli.core.kv_cache.latent import kept_by_heads, latent_caches, packed_dtype, per_token
from infercli.core.kv_cache.rules import CacheRules
from infercli.errors import Unsupported

CacheDtype: TypeAlias = Literal["auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_ds_mla"]
"""Of those that vLLM takes (0.29 config/cache.py) the ones whose layout is taught."""
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
"""vLLM 0.29 utils/torch_utils.py STR_DTYPE_TO_TORCH_DTYPE. Formats with scales in the page are not here."""

_LATENT_HYBRID_BLOCK = 128
"""Blocks of latent attention beside states are a multiple of this (platforms/interface.py _align_hybrid_block_size)."""

_STATEFUL = (StateSpace, GatedDelta)
"""Whose states V0 had: those of short convolutions came with V1."""


class CacheSettings(NamedTuple):
    """What decides the cache besides the model and its split."""

    engine_version: str
    dtype: str
    """What the model runs in."""
    kv_dtype: str = "auto"
    """fp8_ds_mla: latent attention in DeepSeek's packed layout; see `kv_dtype` for who uses it."""
    block_tokens: int = 16
    """As asked for, or the backend's own; models with states raise it."""
    kernel_block_tokens: int = 16
    """The smallest block of the attention backend, which sliding windows take whatever `block_tokens` says."""
    max_num_batched_tokens: int = 2048
    prefix_caching: bool | None = None
    """None: the default of the version, which differs only for models with states."""
    state_dtype: str = "auto"
    """Of the states between tokens (mamba_ssm_cache_dtype)."""
    by_kind: bool = True
    """False: disable_hybrid_kv_cache_manager, with which windows and chunks hold as many tokens as full attention."""
    async_scheduling: bool = True
    speculative_tokens: int = 0
    """Tokens drafted ahead, by whatever drafts; 0: no speculation."""
    draft_layers: tuple[LayerGroup, ...] = ()
    """Layers that draft and keep keys and values as well: the model's own, or those of another."""
    capability: tuple[int, int] | None = None
    """Compute capability of the GPU; None: it is not NVIDIA's."""
    decode_context_parallel_size: int = 1
    """Ranks of a tensor-parallel group that share the tokens of full attention."""
    keeps_latent: bool = True
    """False: weights whose latent attention vLLM 0.7.1 and 0.7.2 ran as that of heads (config.py use_mla)."""
    by_v0: bool = False
    """V0 counts blocks alone, and has no states in them: the model holds those of max_num_seqs requests
    (`states_bytes`)."""

    def element_bytes(self) -> int:
        """Of one cached value. Raises Unsupported for a dtype whose layout is not taught."""
        name = self.dtype if self.kv_dtype == "auto" else "fp8" if self.kv_dtype.endswith("_ds_mla") else self.kv_dtype
        if name not in ELEMENT_BYTES:
            raise Unsupported(
                f"a KV cache of {name} cannot be planned", f"taught are auto, {', '.join(ELEMENT_BYTES)} and fp8_ds_mla"
            )
        return ELEMENT_BYTES[name]


_ALWAYS_OWN_DTYPE = ("FalconForCausalLM", "RWForCausalLM")
"""Classes whose attention is never told the dtype of the cache (vLLM 0.8 to 0.29 models/falcon.py: no cache_config)."""


_FP8_ON_BLACKWELL = {"GlmMoeDsa": (0, 32), "Glm5Next": (0, 33)}
"""Beginnings of classes whose cache is FP8 on capability 10.x where nothing is asked for, and since when
(model_executor/models/config.py GlmMoeDsaForCausalLMConfig, Glm5NextModelConfig; 0.31 has neither)."""


def kv_dtype(
    asked: str, checkpoint_fp8: bool, arch: ModelArch, capability: tuple[int, int] | None, release: tuple[int, int]
) -> str:
    """The dtype of the cache: as asked for, else as the checkpoint says, in the layout of this GPU's backend.

    `capability` None: it is not NVIDIA's.
    """
    if arch.architecture in _ALWAYS_OWN_DTYPE:
        return "auto"
    named, kinds, major = asked, mixers(arch), 0 if capability is None else capability[0]
    compressing = [m for m in kinds if isinstance(m, CompressedAttention)]
    since = next((since for name, since in _FP8_ON_BLACKWELL.items() if arch.architecture.startswith(name)), None)
    since = COMPRESSED_UNASKED if compressing else since if major == 10 else None
    if asked == "auto" and (checkpoint_fp8 or (since is not None and release >= since)):
        named = "fp8"
    if any(m.owns_keys is not None for m in compressing):
        return shared_dtype(named, major)
    sparse = [m for m in kinds if isinstance(m, LatentAttention) and m.indexer is not None]
    return packed_dtype(named, sparse[0], major) if sparse else named


def layer_caches(
    arch: ModelArch, layout: Layout, settings: CacheSettings, rules: CacheRules
) -> tuple[PlacedCache, ...]:
    """The caches of all layers, in the model's order, with blocks and pages that fit one another; () for none.

    Raises Unsupported for a mixer or a dtype whose cache is not taught.
    """
    placed = [pair for pair in _mixers(arch, settings) if not (settings.by_v0 and isinstance(pair[1], _STATEFUL))]
    # Layers share a few mixers: a hundred equal layers are worked out once.
    made = {
        id(m): _caches(m, arch.architecture, layout.tensor_parallel_size, settings, rules)
        for m in {id(m): m for _, m in placed}.values()
    }
    found = [PlacedCache(layer, cache) for layer, mixer in placed for cache in made[id(mixer)]]
    if rules.keeps_drafted and settings.draft_layers == arch.draft_layers:
        several = sum(len(group.indices) for group in arch.draft_layers) > 1
        found = _reaching(found, settings.speculative_tokens - 1) if several and settings.speculative_tokens else found
    return tuple(_aligned(found, settings, _step(arch, settings, rules)))


def _step(arch: ModelArch, settings: CacheSettings, rules: CacheRules) -> int:
    """Tokens of which a block is a multiple, so that states can be kept at its ends."""
    kinds = mixers(arch)
    if keeps_every_state(arch, settings, rules):
        return max((m.chunk for m in kinds if isinstance(m, StateSpace)), default=1)
    states = [m for m in kinds if isinstance(m, StateSpace | GatedDelta | ShortConvolution)]
    exported = [_exported_as(m, arch.architecture, settings, rules) for m in states]
    # Only where every one of them can (0.33 layers/mamba/abstract.py get_mamba_prefill_checkpoint_alignment).
    if not settings.prefix_caching or None in exported:
        return 1
    return math.lcm(*(_EXPORT_STEPS[name] for name in exported if name is not None))


def _reaching(layers: list[PlacedCache], further: int) -> list[PlacedCache]:
    """`layers` with windows that hold so many tokens more."""
    return [
        PlacedCache(layer, c._replace(reach=c.reach + further) if c.kind == "sliding" and c.reach is not None else c)
        for layer, c in layers
    ]


def states_bytes(arch: ModelArch, layout: Layout, settings: CacheSettings, rules: CacheRules) -> int:
    """Bytes of the states of one request, on the GPU that has the most layers with one."""
    placed = [(layer, mixer) for layer, mixer in _mixers(arch, settings) if isinstance(mixer, _STATEFUL)]
    by_stage = (
        sum(
            _state(mixer, arch.architecture, layout.tensor_parallel_size, settings, rules).page_bytes
            for layer, mixer in placed
            if layer in stage_layers(arch, layout, stage)
        )
        for stage in range(layout.pipeline_parallel_size)
    )
    return max(by_stage)


def _mixers(arch: ModelArch, settings: CacheSettings) -> list[tuple[int, Mixer]]:
    """(layer, mixer) in order; those that draft behind the model's own."""
    here = [(i, m) for group in arch.layers for i in group.indices for m in (group.mixer, group.beside, *group.again)]
    placed = [(i, mixer) for i, mixer in here if mixer is not None]
    drafts = [g.mixer for g in settings.draft_layers for _ in g.indices if g.mixer is not None]
    placed += list(enumerate(drafts, arch.layer_count))
    return sorted(placed, key=lambda pair: pair[0])


def _caches(
    mixer: Mixer, architecture: str, tensor_parallel_size: int, settings: CacheSettings, rules: CacheRules
) -> list[LayerCache]:
    if isinstance(mixer, Attention):
        return _attention(mixer, tensor_parallel_size, settings, rules)
    if isinstance(mixer, LatentAttention):
        if rules.latent_keys == "one" or (rules.latent_keys == "one unless quantized" and settings.keeps_latent):
            packed, drafted = settings.kv_dtype == "fp8_ds_mla", settings.speculative_tokens
            block, element = settings.block_tokens, settings.element_bytes()
            return latent_caches(mixer, block, element, rules, packed=packed, drafted=drafted)
        heads = kept_by_heads(mixer, padded=rules.latent_keys == "padded heads")
        return _attention(heads, tensor_parallel_size, settings, rules)
    if isinstance(mixer, CompressedAttention):
        asked = settings.kv_dtype, settings.block_tokens, settings.speculative_tokens
        return compressed_caches(mixer, *asked, rules, settings.engine_version)
    return [_state(mixer, architecture, tensor_parallel_size, settings, rules)]


def _attention(
    mixer: Attention, tensor_parallel_size: int, settings: CacheSettings, rules: CacheRules
) -> list[LayerCache]:
    """layers/attention/attention.py and chunked_local_attention.py."""
    if mixer.shares_kv or not mixer.cached:
        return []
    heads, element = kv_heads_per_rank(mixer, tensor_parallel_size), settings.element_bytes()
    # Keys that are values too are still stored twice: vLLM's layer knows nothing of it.
    token_bytes = heads * (mixer.head_dim + mixer.v_head_dim) * element
    shape = ("attention", heads, mixer.head_dim, mixer.v_head_dim, element)
    block = settings.block_tokens
    if mixer.encoder_tokens is not None:  # cross_attention.py
        own = LayerCache(
            kind="encoder", shape=shape, block_tokens=block, page_bytes=block * token_bytes, reach=mixer.encoder_tokens
        )
    elif mixer.window is not None:
        block = settings.kernel_block_tokens if rules.window_has_own_block and mixer.convolved is None else block
        pooled = mixer.pooled_window if rules.pools_windows else None
        own = LayerCache(
            kind="sliding", shape=shape, block_tokens=block, page_bytes=block * token_bytes,
            reach=pooled or mixer.window,
        )  # fmt: skip
    elif mixer.chunk is not None:
        own = LayerCache(
            kind="chunked", shape=shape, block_tokens=block, page_bytes=block * token_bytes, reach=mixer.chunk
        )
    else:
        own = LayerCache(kind="full", shape=shape, block_tokens=block, page_bytes=block * token_bytes)
    if mixer.convolved is not None:
        return [own, _convolved(mixer.convolved, heads)]
    if mixer.indexer is None or not mixer.indexer.cached:
        return [own]
    if mixer.indexer.pool > 1:
        return _sparse_by_blocks(own, mixer.indexer, settings)
    # MiniMax-M3's indexer keeps its keys in bfloat16 (models/minimax_m3/common/indexer.py).
    return [own, per_token("indexer", mixer.indexer.head_dim * ELEMENT_BYTES["bfloat16"], block)]


def _convolved(kept: Convolved, heads: int) -> LayerCache:
    """models/inkling/nvidia/sconv_swa_attn.py InklingConvState: a window in bfloat16, whatever the cache's dtype."""
    width, block = kept.head_width, kept.kernel
    return LayerCache(
        kind="sliding",
        shape=("convolution", heads, width),
        block_tokens=block,
        page_bytes=block * heads * width * ELEMENT_BYTES["bfloat16"],
        reach=kept.kernel,
    )


def _sparse_by_blocks(own: LayerCache, indexer: Indexer, settings: CacheSettings) -> list[LayerCache]:
    """models/qwen4_exp/common/qsa_cache.py: beside keys and values one compressed key for a few tokens, and a ring.

    The ring holds the keys that are not compressed yet, those of drafted tokens too; positions of images beside them
    are left out, as no block is as small as it.
    """
    ratio, key_bytes = indexer.pool, indexer.head_dim * ELEMENT_BYTES["bfloat16"]
    if settings.block_tokens % ratio:
        raise Unsupported(
            f"a block of {settings.block_tokens} tokens is not a multiple of the {ratio} that share an indexer's key"
        )
    keys = per_token("indexer", key_bytes, settings.block_tokens)
    held = -(-(ratio + settings.speculative_tokens) // ratio) * ratio
    return [
        own._replace(side_by_side=True),
        keys._replace(page_bytes=keys.page_bytes // ratio, side_by_side=True),
        ring(held, held, key_bytes),
    ]


def _state(
    mixer: StateSpace | GatedDelta | ShortConvolution,
    architecture: str,
    tensor_parallel_size: int,
    settings: CacheSettings,
    rules: CacheRules,
) -> LayerCache:
    """layers/mamba/mamba_utils.py MambaStateShapeCalculator and MambaStateDtypeCalculator: convolution, then state."""
    tp, drafted = tensor_parallel_size, settings.speculative_tokens
    state_dtype = _state_dtype(mixer, architecture, settings, rules)
    if isinstance(mixer, GatedDelta):
        convolved = 2 * mixer.key_heads * mixer.key_dim + mixer.value_heads * mixer.value_dim
        convolved = 0 if mixer.variant == "lightning" else convolved
        state = mixer.value_heads // tp * mixer.value_dim * mixer.key_dim
    elif isinstance(mixer, ShortConvolution):
        convolved, state = mixer.width, 0
    elif mixer.version == 2:
        # Groups are replicated until every rank has the ones of its heads (extra_groups_for_head_shards).
        groups = mixer.groups if mixer.groups % tp == 0 else tp
        convolved = mixer.heads * mixer.head_dim + 2 * groups * mixer.state
        state = mixer.heads // tp * mixer.head_dim * mixer.state
    else:
        convolved, drafted = mixer.heads * mixer.head_dim, 0
        state = convolved // tp * mixer.state
    whole = isinstance(mixer, ShortConvolution) and mixer.whole
    tp = 1 if whole else tp
    window = mixer.conv_kernel - 1 + drafted
    exported = _exported_as(mixer, architecture, settings, rules)
    size = convolved // tp * window * ELEMENT_BYTES[settings.dtype] + state * ELEMENT_BYTES[state_dtype]
    return LayerCache(
        kind="state",
        shape=(type(mixer).__name__, convolved // tp, window, state, state_dtype),
        block_tokens=settings.block_tokens,
        page_bytes=size,
        side_by_side=architecture.startswith(_POOLED),
        exported=int(exported is not None),
        whole=whole,
    )


_POOLED = "Glm5Next"
"""Beginning of the classes whose keys are pooled, and whose pages share a block (0.31 v1/core/kv_cache_utils.py
_get_kv_cache_groups_glm5_next, 0.33 v1/core/kv_cache_planning.py _get_packed_kv_cache_groups)."""
_EXPORTING_MAJORS = (9, 10, 12)
"""Of the GPUs on which FlashInfer and FlashKDA run the prompts of delta nets, with keys of 128 and with CUDA 13, as the
published wheels have it (0.33 layers/mamba/gdn/qwen_gdn_linear_attn.py, models/kimi_k3/nvidia/kda.py)."""
_EXPORT_STEPS = {"mamba2": 1, "gdn": 64, "Glm5Next": 16, "KimiK3": 16}
"""Tokens of which blocks are a multiple then (v1/attention/backends/gdn_attn.py, layers/mamba/kda_checkpoint.py)."""


def _exported_as(
    mixer: StateSpace | GatedDelta | ShortConvolution, architecture: str, settings: CacheSettings, rules: CacheRules
) -> str | None:
    """As which of `rules.exports_states` a layer leaves states on the way; None: as none."""
    capability = settings.capability or (0, 0)
    name = ""
    if isinstance(mixer, StateSpace):
        name = "mamba2" if mixer.version == 2 and mixer.projections is None else ""
    elif capability[0] not in _EXPORTING_MAJORS:
        return None
    elif isinstance(mixer, ShortConvolution):
        name = "gdn" if mixer.whole else ""  # beside delta nets: 0.33 models/qwen4_exp/nvidia/ple_layer.py
    elif mixer.variant == "gdn":
        fits = mixer.key_dim == 128 or capability == (9, 0)
        name = "gdn" if fits and not architecture.startswith("OlmoHybrid") else ""
    elif mixer.bounded and mixer.key_dim == 128 and settings.dtype == "bfloat16":  # is_flashkda_supported
        name = next((name for name in _EXPORT_STEPS if architecture.startswith(name)), "")
    return name if name in rules.exports_states else None


def _state_dtype(
    mixer: StateSpace | GatedDelta | ShortConvolution, architecture: str, settings: CacheSettings, rules: CacheRules
) -> str:
    """Of the state between tokens: as asked for, as config.json says where that class asks it, or the model's."""
    if isinstance(mixer, ShortConvolution):
        return settings.dtype  # it has none
    if isinstance(mixer, GatedDelta) and (mixer.variant == "kda" or settings.by_v0):
        # kda_state_dtype, and MiniMax's in V0 (0.8.5 models/minimax_text_01.py)
        heeded = rules.kda_heeds_dtype and mixer.full_gate and settings.state_dtype != "auto"
        if heeded and settings.state_dtype == "float16":
            raise Unsupported("vLLM keeps the states of KDA in float32 or bfloat16", "leave mamba_ssm_cache_dtype out")
        return settings.state_dtype if heeded else "float32"
    heeds = isinstance(mixer, StateSpace) or rules.since >= (0, 17, 0)  # gated_delta_net_state_dtype: not before
    if settings.state_dtype != "auto" and heeds:
        return settings.state_dtype
    if architecture not in rules.asks_state_dtype:
        return settings.dtype
    return mixer.state_dtype or (rules.unsaid_state_dtype if isinstance(mixer, StateSpace) else settings.dtype)


def keeps_every_state(arch: ModelArch, settings: CacheSettings, rules: CacheRules) -> bool:
    """Whether the state behind every block of a request is kept, for others to begin with."""
    return bool(rules.keeps_every_state and settings.prefix_caching and arch.architecture in _EVERY_STATE)


_EVERY_STATE = frozenset({
    "BambaForCausalLM", "FalconH1ForCausalLM", "FalconMambaForCausalLM", "GraniteMoeHybridForCausalLM",
    "JambaForCausalLM", "Mamba2ForCausalLM", "MambaForCausalLM", "NemotronHForCausalLM",
    "NemotronHPuzzleForCausalLM", "Zamba2ForCausalLM",
})  # fmt: skip
"""vLLM 0.17 to 0.27 model_executor/models: SupportsMambaPrefixCaching; not the classes that wrap one."""


def _aligned(layers: list[PlacedCache], settings: CacheSettings, chunk: int) -> list[PlacedCache]:
    """Attention blocks as large as a state, and states padded to them (_align_hybrid_block_size).

    A state has no tokens of its own: its block is called as long as one of attention. Blocks are multiples of `chunk`.
    """
    states = [c.page_bytes for _, c in layers if c.kind == "state"]
    attention = [c for _, c in layers if c.kind != "state"]
    if not states or not attention:
        return layers
    full = next((c for c in attention if c.kind == "full"), attention[0])
    token_bytes = full.page_bytes // full.block_tokens
    step = max(settings.kernel_block_tokens, settings.block_tokens)
    if not full.padding_allowed:
        step = max(step, _LATENT_HYBRID_BLOCK)
    step = math.lcm(step, chunk)
    block = max(settings.block_tokens, step * -(-max(states) // (step * token_bytes)))
    return [PlacedCache(layer, _with_block(cache, block, token_bytes * block)) for layer, cache in layers]


def _with_block(cache: LayerCache, block_tokens: int, state_page_bytes: int) -> LayerCache:
    if cache.kind == "state":
        return cache._replace(block_tokens=block_tokens, page_bytes=state_page_bytes)
    if cache.kind in ("sliding", "ring"):
        return cache
    return cache._replace(block_tokens=block_tokens, page_bytes=cache.page_bytes * block_tokens // cache.block_tokens)
