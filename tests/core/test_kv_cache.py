"""Hand-computed caches, the rules of versions, and the laws that any change of the arithmetic must keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core import architecture
from infercli.core.architecture.arch import Layout
from infercli.core.kv_cache import cache_layout
from infercli.core.kv_rules import RULES, rules_for
from infercli.core.kv_specs import CacheSettings, kv_dtype
from infercli.core.shapes import shapes
from infercli.core.units import GIB, MIB
from infercli.errors import Unsupported
from tests.core.kv_models import MODELS, NO_STAGES

ARCHS = {name: architecture.parse(config) for name, config in MODELS.items()}
CACHED = [arch for name, arch in ARCHS.items() if name != "an encoder"]
LLAMA = shapes()["meta-llama/Llama-3.1-8B"].arch

archs = st.sampled_from(CACHED)
versions = st.sampled_from(["0.9.0", "0.10.2", "0.12.0", "0.20.0", "0.21.0", "0.25.1", "0.29.0", "0.33.0"])
memory = st.integers(0, 200 * GIB)
lengths = st.integers(1, 40960)


def cache(arch, *, tp=1, pp=1, version="0.29.0", **asked):
    layout = Layout(tensor_parallel_size=tp, pipeline_parallel_size=pp)
    return cache_layout(arch, layout, CacheSettings(engine_version=version, dtype="bfloat16", **asked))


def test_llama_8b_takes_128_kib_a_token():
    held = cache(LLAMA)
    assert held.bytes_per_token == 2 * 32 * 8 * 128 * 2
    assert held.bytes_per_block == 16 * held.bytes_per_token
    # 50 GiB are 25,600 blocks of 2 MiB; a request of 131,072 tokens takes 8,192.
    said = held.capacity(50 * GIB, 131072)
    assert (said.blocks, said.tokens, said.concurrency) == (25_600, 409_600, 3.125)


def test_windows_share_blocks_with_full_attention_in_groups_of_equal_size():
    held = cache(ARCHS["windows beside full attention, 5 to 2"], max_num_batched_tokens=2048)
    # 2 full layers and 5 with a window: groups of 2, so 1 full and 3 with a window, the last with padding.
    assert [len(g.layers) for g in held.groups] == [2, 2, 1, 2]
    assert sorted(g.first.kind for g in held.groups) == ["full", "sliding", "sliding", "sliding"]
    page = 16 * 2 * 4 * 64 * 2
    assert held.bytes_per_block == 2 * page
    # Two batches in flight and the window: (1024 - 1 + 4096) / 16, rounded up, and one.
    assert held.blocks_per_request(40960) == 2560 + 3 * (320 + 1)


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


@pytest.mark.parametrize(
    ("dtype", "capability", "bytes_each"),
    [("auto", (9, 0), 576 * 2), ("fp8", (9, 0), 656), ("fp8", (10, 0), 576), ("auto", (12, 0), 656)],
)
def test_sparse_latent_attention_packs_fp8_by_the_gpus_backend(dtype, capability, bytes_each):
    arch = ARCHS["latent attention with an indexer"]
    held = cache(arch, kv_dtype=kv_dtype(dtype, False, arch, capability), tp=4)
    assert held.bytes_per_token == 7 * (bytes_each + 132)  # whole on every rank, with 132 B of indexer


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
    with pytest.raises(Unsupported, match="windows"):
        cache(ARCHS["windows beside full attention, 5 to 2"], tp=8, decode_context_parallel_size=2)


def test_what_older_versions_charge_and_print():
    arch = ARCHS["windows beside full attention, 4 to 3"]  # a layer of 1 KiB more a token each: 7 in all
    layer = 16 * 2 * 8 * 64 * 2
    # Up to 0.9.0 every layer keeps every token.
    assert cache(arch, version="0.9.0").bytes_per_block == 7 * layer
    assert cache(arch, version="0.9.0").capacity(GIB, 4096).tokens == GIB // (7 * layer) * 16
    # Then groups of 3: one full, two with a window; tokens are printed as if the groups shared the blocks evenly.
    old = cache(arch, version="0.10.0").capacity(GIB, 131072)
    assert old.blocks == GIB // (3 * layer)
    assert old.tokens == old.blocks // 3 * 16
    # 4 is less than 1.5 times 3: from 0.20 on groups of 4, with one layer of padding.
    even = cache(arch, version="0.20.0")
    assert (even.bytes_per_block, len(even.groups)) == (4 * layer, 2)
    assert cache(arch, version="0.12.0").bytes_per_block == 3 * layer  # 1.25 then
    # From 0.21 on the printed tokens are the concurrency's.
    new = cache(arch, version="0.21.0").capacity(GIB, 131072)
    assert new.tokens == int(new.concurrency * 131072)
    # From 0.26 on a window is charged for two batches.
    one, two = (cache(arch, version=v, max_num_batched_tokens=2048) for v in ("0.25.0", "0.26.0"))
    assert two.blocks_per_request(131072) - one.blocks_per_request(131072) == 2048 // 16
    # From 0.29 on the null block is kept out of the check.
    assert cache(LLAMA, version="0.28.0").bytes_to_admit(16) == 2 * MIB
    assert cache(LLAMA, version="0.29.0").bytes_to_admit(16) == 4 * MIB


def test_versions_take_the_newest_rules_that_they_have():
    assert rules_for("0.33.1") is RULES[-1]
    assert rules_for("0.9.1.dev287+g89b1388d8") is RULES[0]
    assert rules_for("0.9.1") is RULES[1]
    assert rules_for("0.26.1rc1.dev156+g0eec856cc") is rules_for("0.26.1")
    for unknown in ("", "nightly", "0.3.3"):
        with pytest.raises(Unsupported):
            rules_for(unknown)


def test_what_is_not_taught_is_refused_by_name():
    with pytest.raises(Unsupported, match="nvfp4"):
        cache(LLAMA, kv_dtype="nvfp4")


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
        assert held.capacity(available, longest).concurrency >= 1
    if longest < limit:
        assert held.bytes_to_admit(longest + 1) > available


@given(archs, st.integers(1, 300), st.integers(1, 300), lengths, lengths)
@settings(max_examples=100)
def test_more_or_longer_requests_never_need_less(arch, n1, n2, t1, t2):
    held = cache(arch)
    assert held.bytes_to_hold(min(n1, n2), min(t1, t2)) <= held.bytes_to_hold(max(n1, n2), max(t1, t2))
    assert held.bytes_to_hold(1, t1) == held.bytes_to_admit(t1)


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
