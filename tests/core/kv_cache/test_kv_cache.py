"""Hand-computed caches, and the laws that any change of the arithmetic must keep."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core import architecture
from infercli.core.architecture.arch import GatedDelta, Layout, ShortConvolution, StateSpace, mixers, rank_tensors
from infercli.core.kv_cache.blocks import backend_block_tokens
from infercli.core.kv_cache.groups import LayerCache, PlacedCache, groups
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.rules import rules_for
from infercli.core.kv_cache.specs import CacheSettings, _state, kv_dtype, layer_caches
from infercli.core.shapes import shapes
from infercli.core.units import GIB
from infercli.errors import Unsupported
from tests.core.against_vllm.kv_models import COMPRESSED, MODELS, NO_STAGES
from tests.core.against_vllm.test_dropped_encoders import VOXTRAL
from tests.core.kv_cache.asked import cache

ARCHS = {name: architecture.parse(config) for name, config in MODELS.items()}
CACHED = [arch for name, arch in ARCHS.items() if name != "an encoder"]
LLAMA = shapes()["meta-llama/Llama-3.1-8B"].arch

archs = st.sampled_from(CACHED)
versions = st.sampled_from(["0.9.0", "0.10.2", "0.12.0", "0.20.0", "0.21.0", "0.25.1", "0.29.0", "0.33.0"])
memory = st.integers(0, 200 * GIB)
lengths = st.integers(1, 40960)


def test_llama_8b_takes_128_kib_a_token():
    held = cache(LLAMA)
    assert held.bytes_per_token == 2 * 32 * 8 * 128 * 2
    assert held.bytes_per_block == 16 * held.bytes_per_token
    # 50 GiB are 25,600 blocks of 2 MiB; a request of 131,072 tokens takes 8,192.
    said = held.capacity(50 * GIB, 131072)
    assert (said.blocks, said.tokens, said.concurrency) == (25_600, 409_600, 3.125)
    assert held.capacity(-GIB, 131072).blocks == 0


def test_windows_share_blocks_with_full_attention_in_groups_of_equal_size():
    held = cache(ARCHS["windows beside full attention, 5 to 2"], max_num_batched_tokens=2048)
    # 2 full layers and 5 with a window: groups of 2, so 1 full and 3 with a window, the last with padding.
    assert [len(g.layers) for g in held.groups] == [2, 2, 1, 2]
    assert sorted(g.first.kind for g in held.groups) == ["full", "sliding", "sliding", "sliding"]
    page = 16 * 2 * 4 * 64 * 2
    assert held.bytes_per_block == 2 * page
    # Two batches in flight and the window: (1024 - 1 + 4096) / 16, rounded up, and one.
    assert held.blocks_per_request(40960) == 2560 + 3 * (320 + 1)


def test_windows_hold_every_token_where_the_hybrid_manager_is_disabled():
    (only,) = cache(ARCHS["windows beside full attention, 5 to 2"], by_kind=False).groups
    assert (len(only.layers), only.first.kind) == (7, "full")
    # Since 0.25 windows have blocks of their own; then they take those of full attention (0.28 kv_cache_utils.py).
    wide = cache(ARCHS["windows beside full attention, 5 to 2"], by_kind=False, block_tokens=64)
    assert {placed.cache.block_tokens for placed in wide.groups[0].layers} == {64}
    for arch in (ARCHS["states of gated DeltaNet"], architecture.parse(COMPRESSED)):
        with pytest.raises(Unsupported, match="without vLLM's hybrid KV cache manager"):
            cache(arch, kv_dtype="fp8", block_tokens=256, by_kind=False)


def test_who_decodes_holds_its_windows_and_nothing_in_flight():
    held = cache(ARCHS["windows beside full attention, 5 to 2"], max_num_batched_tokens=2048)
    decoding = 512 + 3 * (64 + 1)  # of 8,192 tokens: all of them once, and three times the window and one block
    prefill = held.blocks_per_request(8192)
    assert prefill == 512 + 3 * (320 + 1)
    assert held.requests_held(prefill + 9 * decoding + held.rules.null_blocks, 8192) == 10
    # vLLM prints half of it, because it counts every request in its prefill.
    assert (prefill + 9 * decoding) / prefill < 6
    # Of a request that does not fit, as much as there is of its prefill.
    assert held.requests_held(prefill // 2 + held.rules.null_blocks, 8192) == pytest.approx(0.5, abs=1e-3)


def test_a_state_makes_the_attention_block_as_long_as_itself():
    held = cache(ARCHS["states of gated DeltaNet"], prefix_caching=False)
    # Convolution: 3 x (2 x 16 x 128 + 32 x 128) x 2 B; state: 32 x 128 x 128 x 2 B, as config.json says no dtype.
    state = 3 * 8192 * 2 + 32 * 128 * 128 * 2
    token = 2 * 2 * 256 * 2
    assert held.block_tokens == 16 * -(-state // (16 * token)) == 544
    # 1 full layer of 7 (every fourth), 6 with states: groups of one.
    assert held.bytes_per_block == 544 * token
    assert held.blocks_per_request(10_000) == 19 + 6
    assert cache(ARCHS["states of gated DeltaNet"], prefix_caching=True).blocks_per_request(10_000) == 19 + 2 * 6
    # A kernel that reads 64 tokens at a time has blocks of a multiple of 64.
    wide = cache(ARCHS["states of gated DeltaNet"], prefix_caching=False, kernel_block_tokens=64)
    assert wide.block_tokens == 576
    # Of each token that is drafted ahead a state is kept.
    ahead = cache(ARCHS["states of gated DeltaNet"], prefix_caching=False, speculative_tokens=2)
    states = [group for group in ahead.groups if group.first.kind == "state"]
    assert ahead.blocks_per_request(1) == len(ahead.groups) - len(states) + len(states) * (1 + 2)
    # Up to 0.9.0 states stood outside the pool.
    (only,) = cache(ARCHS["states of gated DeltaNet"], version="0.9.0").groups
    assert [placed.layer for placed in only.layers] == [3]


@pytest.mark.parametrize(("windows", "sizes"), [(5, [4, 5]), (6, [4, 3, 3])])
def test_groups_are_as_large_as_the_largest_kind_where_it_is_less_than_half_as_many_more(windows, sizes):
    full = LayerCache(kind="full", shape=(), block_tokens=16, page_bytes=1024)
    window = LayerCache(kind="sliding", shape=(), block_tokens=16, page_bytes=1024, reach=512)
    layers = [PlacedCache(i, full if i < 4 else window) for i in range(4 + windows)]
    assert [len(group.layers) for group in groups(layers, 1.5)] == sizes


def test_groups_may_be_more_unequal_since_0_12_and_again_since_0_18():
    # v1/core/kv_cache_utils.py _get_kv_cache_groups_uniform_page_size
    ratios = [rules_for(v).even_ratio for v in ("0.11.2", "0.12.0", "0.17.1", "0.18.0")]
    assert ratios == [1, 1.25, 1.25, 1.5]


@pytest.mark.parametrize(
    ("version", "caching", "drafted", "states"),
    [
        ("0.10.2", True, 0, 1),  # 0.10.2 model_executor/models/config.py: disabling prefix caching
        ("0.14.0", True, 2, 1),  # 0.14: without support for prefix caching: disabling; MambaSpec has one block
        ("0.15.0", True, 0, 2),
        ("0.15.0", False, 2, 1 + 2),
        ("0.15.0", True, 2, 2 + 2),
    ],
)
def test_a_request_is_charged_for_more_than_one_state_since_0_15(version, caching, drafted, states):
    # v1/kv_cache_interface.py MambaSpec.max_memory_usage_bytes
    arch = ARCHS["states of gated DeltaNet"]
    asked = {"speculative_tokens": drafted} if drafted else {}
    held = cache(arch, version=version, prefix_caching=caching, **asked)
    groups_of_states = sum(group.first.kind == "state" for group in held.groups)
    others = len(held.groups) - groups_of_states
    assert groups_of_states
    assert held.blocks_per_request(1) == others + groups_of_states * states


def test_no_version_before_0_11_1_keeps_the_state_behind_every_block():
    nano = shapes()["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"].arch
    kept = [cache(nano, version=v, prefix_caching=True).every_state for v in ("0.10.2", "0.11.0", "0.11.1", "0.27.1")]
    assert kept == [False, False, True, True]


@pytest.mark.parametrize(
    ("version", "block", "request_blocks"),
    [
        ("0.21.0", 2176, 5 * 121),
        ("0.27.1", 2176, 5 * 121),
        ("0.28.0", 2096, 126 + 4 * 2),
        ("0.29.0", 2096, 126 + 4 * 2),
    ],
)
def test_mamba_with_prefix_caching_kept_the_state_behind_every_block_until_0_27(version, block, request_blocks):
    # Nemotron-3-Nano: 6 layers of attention, 23 of Mamba in four groups. A state takes 3 x 6,144 x 2 B and
    # 64 x 64 x 128 x 4 B, a token 1,024 B: 2,084 tokens, a multiple of 16, or of the kernel's chunk of 128.
    # A log of 0.21 has 2,176 for the 120B in four ranks, where a state takes 1,064,192 B and a token 512.
    nano = shapes()["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"].arch
    held = cache(nano, version=version, prefix_caching=True)
    assert held.block_tokens == block
    assert held.blocks_per_request(262_144) == request_blocks
    assert held.bytes_per_token == 6 * 1024 * (5 if block == 2176 else 1)
    assert cache(nano, version=version, prefix_caching=False).blocks_per_request(262_144) == 126 + 4
    # What wraps that class keeps one more.
    assert (
        cache(replace(nano, architecture="NemotronH_Nano_VL_V2"), version=version, prefix_caching=True).block_tokens
        == 2096
    )


@pytest.mark.parametrize(
    ("name", "tp", "drafted", "elements", "state_bytes"),
    [
        # Convolution: (width + 2 groups x 128) x 3 in 2 B on each rank; a single group is repeated on every one.
        ("nothing but states", 1, 0, (2048 + 2 * 128) * 3, 32 * 64 * 128 * 2),
        ("nothing but states", 2, 0, (2048 + 2 * 2 * 128) // 2 * 3, 16 * 64 * 128 * 2),
        ("states of Mamba 2, its dtype not said", 2, 0, (2048 + 2 * 8 * 128) // 2 * 3, 16 * 64 * 128 * 4),  # float32
        ("states of Mamba 2, its dtype not said", 1, 2, (2048 + 2 * 8 * 128) * (3 + 2), 32 * 64 * 128 * 4),
        ("states of Mamba 1", 2, 2, 1024 * 3, 1024 * 16 * 2),  # keeps nothing for drafts
        ("states of gated DeltaNet", 2, 1, (2 * 16 + 32) * 128 // 2 * 4, 16 * 128 * 128 * 2),
        ("states of KDA beside latent attention", 1, 0, 3 * 16 * 128 * 3, 16 * 128 * 128 * 4),  # float32 always
        ("states of short convolutions", 2, 1, 512 * 3, 0),
    ],
)
def test_a_state_by_hand(name, tp, drafted, elements, state_bytes):
    settings = CacheSettings(engine_version="0.29.0", dtype="bfloat16", speculative_tokens=drafted)
    kinds = (StateSpace, GatedDelta, ShortConvolution)
    mixer = next(m for m in mixers(ARCHS[name]) if isinstance(m, kinds))
    held = _state(mixer, ARCHS[name].architecture, tp, settings, rules_for("0.29.0"))
    assert held.page_bytes == elements * 2 + state_bytes


def test_blocks_of_latent_attention_beside_states_are_multiples_of_128():
    held = cache(ARCHS["states of KDA beside latent attention"])
    assert held.block_tokens % 128 == 0


def test_states_had_the_dtype_of_the_model_before_013_whatever_config_json_says():
    old = CacheSettings(engine_version="0.12.0", dtype="bfloat16")
    mamba = next(m for m in mixers(ARCHS["states of Mamba 2, its dtype not said"]) if isinstance(m, StateSpace))
    held = _state(mamba, "NemotronHForCausalLM", 1, old, rules_for("0.12.0"))
    assert held.page_bytes == (2048 + 2 * 8 * 128) * 3 * 2 + 32 * 64 * 128 * 2


@pytest.mark.parametrize(
    ("name", "version", "said", "each"),
    [
        ("NemotronHForCausalLM", "0.13.0", None, 2),  # float16 where config.json is silent
        ("NemotronHForCausalLM", "0.19.1", None, 2),
        ("NemotronHForCausalLM", "0.20.0", None, 4),
        ("NemotronHForCausalLM", "0.13.0", "float32", 4),
        ("NemotronH_Nano_VL_V2", "0.17.1", "float32", 2),
        ("NemotronH_Nano_VL_V2", "0.18.0", "float32", 4),
        ("NemotronH_Nano_Omni_Reasoning_V3", "0.29.0", "float32", 2),
    ],
)
def test_only_some_classes_ask_config_json_for_the_dtype_of_states(name, version, said, each):
    settings = CacheSettings(engine_version=version, dtype="bfloat16")
    mamba = next(m for m in mixers(ARCHS["states of Mamba 2, its dtype not said"]) if isinstance(m, StateSpace))
    held = _state(mamba._replace(state_dtype=said), name, 1, settings, rules_for(version))
    assert held.page_bytes == (2048 + 2 * 8 * 128) * 3 * 2 + 32 * 64 * 128 * each


@pytest.mark.parametrize(
    ("name", "version", "asked", "each"),
    [
        ("states of Mamba 2, its dtype not said", "0.13.0", "float32", 4),
        ("states of Mamba 2, its dtype not said", "0.29.0", "float16", 2),
        ("states of gated DeltaNet", "0.16.0", "float32", 2),
        ("states of gated DeltaNet", "0.17.0", "float32", 4),
        ("states of KDA beside latent attention", "0.29.0", "bfloat16", 4),
    ],
)
def test_states_have_the_dtype_that_is_asked_for_where_vllm_heeds_it(name, version, asked, each):
    plain = CacheSettings(engine_version=version, dtype="bfloat16")
    mixer = next(m for m in mixers(ARCHS[name]) if isinstance(m, (StateSpace, GatedDelta)))
    sizes = [
        _state(mixer, "no class that asks", 1, settings, rules_for(version)).page_bytes
        for settings in (plain, plain._replace(state_dtype=asked))
    ]
    held = mixer.heads * mixer.head_dim * mixer.state if isinstance(mixer, StateSpace) else 32 * 128 * 128
    if name.startswith("states of KDA"):
        assert sizes[0] == sizes[1]  # float32 whatever is asked for
    else:
        assert sizes[1] - sizes[0] == held * (each - 2)


def test_a_request_of_nemotron_omni_as_a_log_of_020_says():
    nano = shapes()["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"].arch
    held = cache(replace(nano, architecture="NemotronH_Nano_Omni_Reasoning_V3"), version="0.20.0")
    assert held.block_tokens == 1072  # 218,688 tokens are 204 of them
    assert 204 * 5 / held.blocks_per_request(131_072) == pytest.approx(8.03, abs=0.01)


def test_requests_of_nemotron_h_8b_as_a_log_of_016_says():
    """52 layers, 24 of them Mamba 2 and 4 attention: 6 groups of states and one of 528 tokens a block (two H100)."""
    arch = architecture.parse({
        "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "hidden_size": 4096,
        "num_hidden_layers": 52, "intermediate_size": 21504, "num_attention_heads": 32, "num_key_value_heads": 8,
        "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-", "head_dim": 128,
        "mamba_num_heads": 128, "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4,
        "vocab_size": 131072, "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
    })  # fmt: skip
    held = cache(arch, version="0.16.0", tp=2)
    assert int(62.5e9) // held.bytes_per_block == 14449
    concurrency = [14449 / held.blocks_per_request(length) for length in (1024, 4096, 8192, 16384, 32768)]
    assert concurrency == pytest.approx([1806.12, 1032.07, 656.77, 380.24, 209.41], abs=0.01)


@pytest.mark.parametrize(
    ("dtype", "capability", "bytes_each"),
    [("auto", (9, 0), 576 * 2), ("fp8", (9, 0), 656), ("fp8", (10, 0), 576), ("auto", (12, 0), 656)],
)
def test_sparse_latent_attention_packs_fp8_by_the_gpus_backend(dtype, capability, bytes_each):
    arch = ARCHS["latent attention with an indexer"]
    held = cache(arch, kv_dtype=kv_dtype(dtype, False, arch, capability, (0, 29)), tp=4)
    assert held.bytes_per_token == 7 * (bytes_each + 132)  # whole on every rank, with 132 B of indexer


def test_until_023_a_layer_that_reuses_anothers_choice_has_the_weights_and_keys_of_an_indexer_all_the_same():
    arch = ARCHS["latent attention, some layers with an indexer"]  # 3 of 7
    held = {version: cache(arch, version=version).bytes_per_token for version in ("0.23.0", "0.24.0")}
    assert held == {"0.23.0": 7 * (576 * 2 + 132), "0.24.0": 7 * 576 * 2 + 3 * 132}

    def elements(release):
        found = rank_tensors(arch, Layout(release=release))
        return sum(t.copies * t.outputs * t.inputs for t in found if t.role == "indexer")

    assert 3 * elements((0, 23)) == 7 * elements((0, 24))


@pytest.mark.parametrize(
    ("name", "engine", "capability", "fp8", "tokens"),
    [
        ("latent attention", (0, 29), (9, 0), False, 16),
        ("latent attention", (0, 29), (9, 0), True, 64),
        ("latent attention", (0, 29), (10, 0), False, 32),
        ("latent attention", (0, 29), (8, 0), False, 16),
        ("latent attention", (0, 17), (9, 0), False, 64),
        ("latent attention", (0, 17), (10, 0), False, 64),
        ("latent attention", (0, 12), (10, 0), False, 128),
        ("latent attention with an indexer", (0, 29), (10, 0), True, 64),
        ("latent attention with an indexer", (0, 29), None, False, 16),
        ("full attention", (0, 29), (10, 0), False, 16),
    ],
)
def test_the_backend_of_a_gpu_chooses_the_block(name, engine, capability, fp8, tokens):
    assert (backend_block_tokens(ARCHS[name], engine, capability, fp8) or 16) == tokens


def test_an_encoder_has_no_cache():
    assert cache(ARCHS["an encoder"]) is None


def test_layers_that_read_an_earlier_cache_have_none():
    held = cache(ARCHS["wide full attention and windows, the last layers without a cache"])
    assert sum(len(g.layers) for g in held.groups) == 12 - 3


def test_a_draft_layer_is_one_more():
    arch = ARCHS["latent attention"]
    assert cache(arch, speculative_tokens=2).bytes_per_block * 7 == cache(arch).bytes_per_block * 8


def test_tokens_are_shared_by_the_ranks_of_decode_context_parallelism():
    arch = ARCHS["latent attention"]
    one, eight = cache(arch, tp=8), cache(arch, tp=8, decode_context_parallel_size=8)
    assert eight.capacity(10 * GIB, 40960).tokens == 8 * one.capacity(10 * GIB, 40960).tokens
    older = [cache(arch, tp=8, version="0.20.0", decode_context_parallel_size=ranks) for ranks in (1, 8)]
    assert older[1].capacity(10 * GIB, 40960).tokens == 8 * older[0].capacity(10 * GIB, 40960).tokens
    with pytest.raises(Unsupported, match="windows"):
        cache(ARCHS["windows beside full attention, 5 to 2"], tp=8, decode_context_parallel_size=2)


@given(archs, versions, memory, memory, lengths)
@settings(max_examples=150)
def test_more_memory_never_holds_fewer(arch, version, one, other, length):
    held = cache(arch, version=version)
    less, more = (held.capacity(bytes_, length) for bytes_ in sorted((one, other)))
    assert less.blocks <= more.blocks
    assert less.tokens <= more.tokens
    assert less.concurrency <= more.concurrency


@given(archs, versions, memory, lengths, lengths)
@settings(max_examples=150)
def test_longer_requests_are_never_more_at_once(arch, version, available, one, other):
    held = cache(arch, version=version)
    short, long = sorted((one, other))
    assert held.capacity(available, long).concurrency <= held.capacity(available, short).concurrency
    assert held.bytes_to_admit(short) <= held.bytes_to_admit(long)


@given(archs, versions, memory, st.sampled_from([1, 2, 4, 8]), lengths)
@settings(max_examples=150)
def test_the_longest_that_fits_is_admitted_and_one_token_more_is_not(arch, version, available, tp, limit):
    held = cache(arch, version=version, tp=tp)
    longest = held.longest_that_fits(available, limit)
    assert 0 <= longest <= limit
    if longest:
        assert held.bytes_to_admit(longest) <= available
        # Admitted by its layers alone, a request may take more blocks than there are (0.8.3 to 0.13).
        assert held.alone or held.capacity(available, longest).concurrency >= 1
    if longest < limit:
        assert held.bytes_to_admit(longest + 1) > available
    assert held.longest_that_fits(held.bytes_to_admit(limit), limit) == limit


@given(archs, st.integers(1, 300), st.integers(1, 300), lengths, lengths)
@settings(max_examples=100)
def test_more_or_longer_requests_never_need_less(arch, n1, n2, t1, t2):
    held = cache(arch)
    assert held.bytes_to_hold(min(n1, n2), min(t1, t2)) <= held.bytes_to_hold(max(n1, n2), max(t1, t2))
    assert held.bytes_to_hold(1, t1) == held.bytes_to_admit(t1)
    assert held.requests_held(held.bytes_to_hold(n1, t1) // held.bytes_per_block, t1) == pytest.approx(n1)


@pytest.mark.parametrize("name", [n for n in ARCHS if n not in NO_STAGES])
def test_a_stage_never_holds_more_than_the_whole(name):
    whole = cache(ARCHS[name]).bytes_per_block
    halves, thirds = (cache(ARCHS[name], pp=pp).bytes_per_block for pp in (2, 3))
    assert thirds <= halves <= whole
    assert 3 * thirds >= whole


@pytest.mark.parametrize("tp", [1, 2, 4])
def test_bytes_per_gpu_halve_with_ranks_until_heads_are_replicated(tp):
    few, many = (cache(ARCHS["full attention"], tp=n).bytes_per_block for n in (tp, 2 * tp))
    assert many == (few // 2 if tp < 4 else few)


def test_falcon_keeps_its_cache_in_its_own_dtype_whatever_is_asked():
    # vLLM 0.29 built tiiuae/falcon-40b with an FP8 cache: 2 x 60 layers x 8 heads x 64 x 2 bytes a token all the same
    arch = shapes()["tiiuae/falcon-40b"].arch
    asked = CacheSettings(
        engine_version="0.29.0", dtype="bfloat16", kv_dtype=kv_dtype("fp8", False, arch, (9, 0), (0, 29))
    )
    layout = cache_layout(arch, Layout(), asked)
    assert layout.bytes_per_token == 2 * 60 * 8 * 64 * 2


@pytest.mark.parametrize(("version", "reach"), [("0.24.0", 128), ("0.29.0", 128 // 4 + 1)])
def test_what_hears_keeps_four_frames_a_token_and_counts_its_window_in_tokens_since_025(version, reach):
    listens = architecture.parse(VOXTRAL)
    settings = CacheSettings(engine_version=version, dtype="bfloat16")
    kept = [p.cache for p in layer_caches(listens, Layout(), settings, rules_for(version))]
    # Two layers of four heads of 32 for the keys and values of four frames, 16 tokens a block.
    heard = [c for c in kept if c.page_bytes == 16 * 4 * 2 * 4 * 32 * 2]
    assert [c.reach for c in heard] == [reach] * 2
    assert len(kept) == 3 + 2
