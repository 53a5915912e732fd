"""What changed in vLLM's cache arithmetic from version to version, as read in the released sources.

The one thing to know: the `GPU KV cache size` of a log means something else until 0.20.0 and after, and on a model with
several kinds of cache neither is a capacity: the printed concurrency is.
"""

import re
from typing import Literal, NamedTuple

from infercli.core.architecture.layers import SKIPS_INDEXERS
from infercli.errors import Unsupported

Packing = Literal["columns", "slots", "widest"]


class CacheRules(NamedTuple):
    """Of one version and those that follow it."""

    since: tuple[int, int, int]
    groups_kinds: bool
    """False: windows and chunks are charged as full attention, and states stand outside the pool."""
    groups_chunks: bool
    """False: the same where a model has chunks (0.9.2 has no spec of theirs; from 0.10.2 to 0.13
    VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE is 0: envs.py, config/vllm.py)."""
    even_ratio: float
    """Groups have as many layers as the smallest kind, or as the largest if that is less than this many times more."""
    prints_concurrency: bool
    """Printed tokens are concurrency x max_model_len; False: blocks shared out evenly over the groups."""
    window_has_own_block: bool
    """Sliding windows take the backend's smallest block whatever --block-size says."""
    pools_windows: bool
    """A window of an encoder's frames is counted in tokens (0.25.1 models/whisper_causal.py); False: in frames."""
    counts_batches_in_flight: bool
    """A window is charged for every batch that may be scheduled at once; False: for one."""
    asks_state_dtype: frozenset[str]
    """Classes whose states have the dtype that config.json asks for, by the name that it gives (MODELS_CONFIG_MAP of
    model_executor/models/config.py; of Nemotron's Omni models none); those of others have the model's."""
    kda_heeds_dtype: bool
    """Kimi-K3's states have the dtype that is asked for; False, and those of other KDA: float32 (mamba_utils.py
    kda_state_dtype)."""
    unsaid_state_dtype: Literal["float16", "float32"]
    """Of Nemotron-H's states, where its config.json is silent (there, NemotronHForCausalLMConfig)."""
    caches_states: bool
    """Prefix caching is on by default for models with states beside attention (engine/arg_utils.py; 0.26 and 0.27 hold
    it off there, though their config/model.py is_prefix_caching_supported says yes)."""
    keeps_every_state: bool
    """With prefix caching some classes keep the state behind every block of a request (mamba_cache_mode `all`); the
    others, and since 0.28 all, only one more (`align`; model_executor/models/config.py MambaModelConfig)."""
    states_beyond_one: bool
    """A request is charged that one, and one for each drafted token (v1/kv_cache_interface.py MambaSpec); False: for a
    single state, and vLLM switches prefix caching off for classes without `all`, whatever is asked."""
    exports_states: frozenset[str]
    """Layers whose prompts also leave a state at the end of a block on their way, so that a request is charged one page
    more (MambaSpec.num_prefill_checkpoint_blocks): mamba2 (layers/mamba/mamba_mixer2.py), gdn (FlashInfer's,
    layers/mamba/gdn/qwen_gdn_linear_attn.py), and by its class what FlashKDA runs (models/kimi_k3/nvidia/kda.py and
    glm5next/common/kda.py)."""
    batch_holds_a_block: bool
    """Where prefix caching keeps one more state, vLLM refuses batches of fewer tokens than a block has (config/vllm.py
    validate_block_size; 0.16 and 0.27 do not)."""
    latent_keys: Literal["padded heads", "heads", "one unless quantized", "one"]
    """What latent attention keeps (latent.py): one vector of a token, keys and values of every head, or either, as
    `CacheSettings.keeps_latent` says (config.py use_mla, get_head_size)."""
    keys_of_skipped: bool
    """Layers that re-use what another's indexer picked keep keys of their own all the same (models/deepseek_v2.py)."""
    packing: Packing | None
    """What a block has room for where pages of unequal size share it (packing.py). None: no model needs it."""
    admits_by_columns: bool
    """What is needed for max_model_len is counted in blocks of `columns`, though they are smaller
    (_max_memory_usage_bytes_from_groups)."""
    admits_layers_alone: bool
    """What is needed for max_model_len is summed over the layers as they are, each with its own window, whatever blocks
    they then get (v1/core/kv_cache_utils.py check_enough_kv_cache_memory); False: counted in blocks. V0 always counts
    blocks."""
    admits_all_stages: bool
    """What is needed for max_model_len is counted over the layers of every pipeline stage, against the memory of one
    GPU (v1/core/kv_cache_utils.py get_kv_cache_configs, its global groups); False: over those of each stage."""
    encoder_charge: Literal["none", "item", "batch"]
    """What a request is charged for the keys of an encoder (v1/kv_cache_interface.py CrossAttentionSpec): those of an
    item, or of max_num_batched_tokens, whatever an item has (until 0.12 config/ set max_num_encoder_input_tokens to
    the item's). none: V0 counts the request's own tokens alone, and its blocks have a page of every layer, whichever
    they hold (0.10 core/block_manager.py, worker/cache_engine.py)."""
    splits_by_windows: bool
    """The groups of such a model are as large as suits its windows alone; False: its full attention counts too."""
    splits_lone_windows: bool
    """Where no kind of such a model repeats a pattern, its windows are cut to what a block has room for, as states are
    (_get_packed_kv_cache_groups is_state_bucket)."""
    keeps_drafted: bool
    """Where several layers of the model's own draft, a window keeps what they drafted but for one token besides, since
    each reads its own (v1/core/kv_cache_utils.py extra_retained_tokens)."""
    null_blocks: int
    """Blocks that the check of max_model_len leaves out because the pool never hands them out."""
    fills_blocks_with_rows: bool
    """Blocks of DeepSeek-V4.1 on compute capability 10.x hold whole rows of each of its records."""
    a_block_per_sequence: bool
    """Where CUDA graphs hold whole decodes, a model with states is refused more max_num_seqs than its cache has blocks
    (config/compilation.py resolve_cudagraph_mode_and_sizes; 0.19.1 captured fewer sizes instead)."""

    def batches_in_flight(self, pipeline_parallel_size: int, async_scheduling: bool) -> int:
        """config/vllm.py max_concurrent_batches: one per stage, and one more that is scheduled ahead."""
        return pipeline_parallel_size + async_scheduling if self.counts_batches_in_flight else 1


_V0_4 = CacheRules(
    since=(0, 4, 0),
    groups_kinds=False,
    groups_chunks=True,
    even_ratio=1.0,
    prints_concurrency=False,
    window_has_own_block=False,
    pools_windows=False,
    counts_batches_in_flight=False,
    asks_state_dtype=frozenset(),
    kda_heeds_dtype=False,
    unsaid_state_dtype="float16",
    caches_states=False,
    keeps_every_state=False,
    states_beyond_one=False,
    exports_states=frozenset(),
    batch_holds_a_block=False,
    latent_keys="padded heads",
    keys_of_skipped=True,
    packing=None,
    admits_by_columns=False,
    admits_layers_alone=False,
    admits_all_stages=False,
    encoder_charge="none",
    splits_by_windows=False,
    splits_lone_windows=False,
    keeps_drafted=False,
    null_blocks=0,
    fills_blocks_with_rows=False,
    a_block_per_sequence=False,
)
_QWEN3_5 = {
    "Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForCausalLM",
    "Qwen3_5MoeForConditionalGeneration", "Qwen4ExpForCausalLM", "Qwen4ExpForConditionalGeneration",
}  # fmt: skip
# Each row is the oldest release whose source, as published, has the rule. The release before it was read too, and lacks
# it, except: 0.9.1 (logs of 0.8 and 0.9.0 instead), 0.10.2 (0.10.0 lacks it), 0.20 (0.18 lacks it).
_V0_7 = _V0_4._replace(since=(0, 7, 0), latent_keys="heads")
_V0_7_1 = _V0_7._replace(since=(0, 7, 1), latent_keys="one unless quantized")
_V0_7_3 = _V0_7_1._replace(since=(0, 7, 3), latent_keys="one")
_V0_8_3 = _V0_7_3._replace(since=(0, 8, 3), admits_layers_alone=True)
_V0_9_1 = _V0_8_3._replace(since=(0, 9, 1), groups_kinds=True, groups_chunks=False)
_V0_10 = _V0_9_1._replace(since=(0, 10, 0), groups_chunks=True)
_V0_10_2 = _V0_10._replace(since=(0, 10, 2), groups_chunks=False, encoder_charge="item")
_V0_11_1 = _V0_10_2._replace(since=(0, 11, 1), keeps_every_state=True)
_V0_12 = _V0_11_1._replace(since=(0, 12, 0), even_ratio=1.25)
_NEMOTRON_H = frozenset({"NemotronHForCausalLM", "NemotronHPuzzleForCausalLM"})
_V0_13 = _V0_12._replace(since=(0, 13, 0), asks_state_dtype=_NEMOTRON_H, encoder_charge="batch")
_V0_14 = _V0_13._replace(since=(0, 14, 0), groups_chunks=True, admits_layers_alone=False, admits_all_stages=True)
_V0_15 = _V0_14._replace(since=(0, 15, 0), states_beyond_one=True)
_V0_17 = _V0_15._replace(
    since=(0, 17, 0),
    batch_holds_a_block=True,
    asks_state_dtype=_V0_13.asks_state_dtype | _QWEN3_5,
    admits_all_stages=False,
)
_V0_18 = _V0_17._replace(
    since=(0, 18, 0), even_ratio=1.5, asks_state_dtype=_V0_17.asks_state_dtype | {"NemotronH_Nano_VL_V2"}
)
_V0_20 = _V0_18._replace(
    since=(0, 20, 0), packing="columns", admits_by_columns=True, a_block_per_sequence=True, unsaid_state_dtype="float32"
)
_V0_20_1 = _V0_20._replace(since=(0, 20, 1), prints_concurrency=True)
_V0_23 = _V0_20_1._replace(since=(0, 23, 0), packing="slots")
_V0_24 = _V0_23._replace(since=(*SKIPS_INDEXERS, 0), keys_of_skipped=False)
_V0_25 = _V0_24._replace(since=(0, 25, 0), window_has_own_block=True, pools_windows=True)
_V0_26 = _V0_25._replace(since=(0, 26, 0), counts_batches_in_flight=True)
_V0_27 = _V0_26._replace(since=(0, 27, 0), packing="widest", batch_holds_a_block=False)
_V0_28 = _V0_27._replace(since=(0, 28, 0), caches_states=True, keeps_every_state=False, keeps_drafted=True)
_V0_29 = _V0_28._replace(
    since=(0, 29, 0),
    admits_by_columns=False,
    splits_by_windows=True,
    null_blocks=1,
    exports_states=frozenset({"KimiK3"}),
)
_V0_30 = _V0_29._replace(since=(0, 30, 0), kda_heeds_dtype=True, splits_lone_windows=True)
_V0_32 = _V0_30._replace(since=(0, 32, 0), exports_states=_V0_29.exports_states | {"mamba2", "Glm5Next"})
_V0_33 = _V0_32._replace(since=(0, 33, 0), exports_states=_V0_32.exports_states | {"gdn"}, fills_blocks_with_rows=True)

RULES = (
    _V0_4,
    _V0_7,
    _V0_7_1,
    _V0_7_3,
    _V0_8_3,
    _V0_9_1,
    _V0_10,
    _V0_10_2,
    _V0_11_1,
    _V0_12,
    _V0_13,
    _V0_14,
    _V0_15,
    _V0_17,
    _V0_18,
    _V0_20,
    _V0_20_1,
    _V0_23,
    _V0_24,
    _V0_25,
    _V0_26,
    _V0_27,
    _V0_28,
    _V0_29,
    _V0_30,
    _V0_32,
    _V0_33,
)
"""Oldest first. vllm/v1/core/kv_cache_utils.py (0.33: kv_cache_planning.py), v1/kv_cache_interface.py, config/ of each
release."""


def rules_for(engine_version: str) -> CacheRules:
    """The newest rules that are no newer than the version. Raises Unsupported before 0.4 and for what is no version.

    `0.9.1.dev287` is a build on the way from 0.9.0, and has its rules; a release candidate has those of its release.
    """
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(\.dev)?", engine_version)
    version = (int(found[1]), int(found[2]), int(found[3] or 0) - bool(found[4])) if found else (0, 0, 0)
    rules = [r for r in RULES if r.since <= version]
    if not rules:
        raise Unsupported(f"the KV cache of vLLM {engine_version} cannot be planned", "known are 0.4 and later")
    return rules[-1]
