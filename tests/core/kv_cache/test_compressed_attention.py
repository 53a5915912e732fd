"""Blocks of compressed attention, and what older versions paid for them."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.kv_cache.blocks import backend_block_tokens
from infercli.core.units import GIB
from infercli.errors import Unsupported
from tests.core.against_vllm.kv_models import COMPRESSED
from tests.core.kv_cache.asked import cache

COMPRESSED_ARCH = architecture.parse(COMPRESSED)


def compressed(version="0.29.0", arch=COMPRESSED_ARCH, **asked):
    return cache(arch, version=version, **{"kv_dtype": "fp8", "block_tokens": 256} | asked)


def test_compressed_attention_packs_pages_of_all_sizes_into_one_block():
    # 9 layers: 2 with a window only, 4 of ratio 4, 3 of ratio 128. Pages are multiples of 576 B.
    window = 64 * 584 + 64  # 37,440; a page of keys of ratio 4 is as large: 256 / 4 = 64 of them
    keys_128 = 3 * 576  # 2 x 584 = 1,168
    indexer = 15 * 576  # 64 x 132 = 8,448
    waiting = 57 * 576  # 4 x 2 x 2 x 512 x 4 = 8 x 2 x 512 x 4 = 32,768
    waiting_indexer = 15 * 576  # 4 x 2 x 2 x 128 x 4 = 8,192
    held = compressed(max_num_batched_tokens=2048)
    # Windows of 9 layers, waiting ones of 4 and 3: groups of 5 pad them least (1 + 1 + 2; groups of 4: 3 + 0 + 1).
    full = 4 * (window + indexer) + 3 * keys_128
    assert [g.bytes_within(range(9)) for g in held.groups] == [
        5 * window,
        4 * window,
        full,
        4 * (waiting + waiting_indexer),
        3 * waiting,
    ]
    assert held.bytes_per_block == max(5 * window, full) == full
    # 4,096 tokens in flight behind the windows of 128, 8 and 128, in blocks of 64, 4 and 8; full: 40,960 / 256.
    each = [(127 + 4096 + 63) // 64 + 1, (7 + 4096 + 3) // 4 + 1, (127 + 4096 + 7) // 8 + 1]
    assert held.blocks_per_request(40960) == 160 + 2 * each[0] + each[1] + each[2]


def test_a_draft_layer_of_compressed_attention_has_the_window_only():
    pages = [p.cache.page_bytes for g in compressed(speculative_tokens=1).groups for p in g.layers if p.layer == 9]
    assert pages == [37440]


def test_what_older_versions_paid_for_compressed_attention():
    sizes = (37440, 8640, 1728)  # of full attention, to which windows were padded
    # The 4 layers of full attention counted too, so groups of 4 padded least (0 + 3 + 0 + 1; of 5: 1 + 1 + 1 + 2).
    assert [len(g.layers) for g in compressed("0.28.0").groups] == [3, 3, 3, 11, 8, 3]
    # Up to 0.22 a block had 4 columns of all sizes, then as many of each size as the fullest group.
    assert compressed("0.22.0").bytes_per_block == 4 * sum(sizes)
    assert compressed("0.23.0").bytes_per_block == 4 * 37440 + 4 * 8640 + 3 * 1728
    assert compressed("0.27.0").bytes_per_block == compressed().bytes_per_block
    # What was printed weighed groups by their bytes: more than fits.
    old = compressed("0.25.0")
    assert old.capacity(10 * GIB, 40960).concurrency > 10 * GIB // old.bytes_per_block / old.blocks_per_request(40960)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"kv_dtype": "auto"}, "FP8"), ({"block_tokens": 16}, "256"), ({"version": "0.19.0"}, "0.19.0")],
)
def test_compressed_attention_runs_in_one_way_only(asked, said):
    with pytest.raises(Unsupported, match=said):
        compressed(**asked)


def test_deepseek_v4_flash_on_two_gh200_needs_what_vllm_0_22_printed():
    # https://github.com/vllm-project/vllm/issues/44376: 6.66 GiB needed for 30,000 tokens, 5.44 GiB there, and an
    # estimated 13,528 tokens that fit; 16,384 tokens a step, which the log does not say, is what 6.66 GiB come from.
    ratios = [0, 0, *([4, 128] * 20), 4]
    flash = architecture.parse(COMPRESSED | {"num_hidden_layers": 43, "compress_ratios": ratios})
    held = compressed("0.22.0", flash, tp=2, max_num_batched_tokens=16384)
    assert round(held.bytes_to_admit(30000) / GIB, 2) == 6.66
    lowest, highest = (held.longest_that_fits(round(gib * GIB), 30000) for gib in (5.435, 5.445))
    assert lowest <= 13528 <= highest


@pytest.mark.parametrize(
    ("version", "sizes"),
    [
        ("0.22.0", (37440, 8640, 1728)),
        ("0.25.0", (37440, 8640, 1728)),  # whose blocks have 22, 21 and 20 of them
        ("0.28.0", (37440, 8640, 1728)),  # whose blocks are as large as the largest group
        ("0.29.0", None),
    ],
)
def test_deepseek_v4_is_admitted_by_full_columns_until_0_28(version, sizes):
    # v1/core/kv_cache_utils.py _max_memory_usage_bytes_from_groups; 0.29 has _pool_bytes_per_block there. A log of 0.27
    # needs 52.66 GiB for 131,072 tokens with 65,536 a step, where 22 columns of 47,808 B come to 52.664.
    ratios = [0, 0, *([4, 128] * 20), 4]
    flash = architecture.parse(COMPRESSED | {"num_hidden_layers": 43, "compress_ratios": ratios})
    held = compressed(version, flash, tp=2, max_num_batched_tokens=65536)
    each = held.bytes_per_block if sizes is None else 22 * sum(sizes)
    assert held.bytes_to_admit(131072) == (held.blocks_per_request(131072) + held.rules.null_blocks) * each
    if version == "0.28.0":
        assert round(held.bytes_to_admit(131072) / GIB, 2) == 52.66


def test_compressed_attention_has_its_block_on_every_gpu():
    assert {backend_block_tokens(COMPRESSED_ARCH, (0, 29), gpu, True) for gpu in ((9, 0), (12, 0), None)} == {256}
