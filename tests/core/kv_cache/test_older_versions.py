"""What older versions of vLLM keep and charge."""

from __future__ import annotations

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.rules import RULES, rules_for
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.shapes import shapes
from infercli.core.units import GIB, MIB
from infercli.errors import Unsupported
from tests.core.kv_cache.asked import cache
from tests.core.kv_cache.test_kv_cache import ARCHS, LLAMA


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
    # From 0.20.1 on the printed tokens are the concurrency's.
    shared, new = (cache(arch, version=v).capacity(GIB, 131072) for v in ("0.20.0", "0.20.1"))
    assert shared.tokens == shared.blocks // 2 * 16
    assert new.tokens == int(new.concurrency * 131072)
    # From 0.26 on a window is charged for two batches.
    one, two = (cache(arch, version=v, max_num_batched_tokens=2048) for v in ("0.25.0", "0.26.0"))
    assert two.blocks_per_request(131072) - one.blocks_per_request(131072) == 2048 // 16
    # From 0.29 on the null block is kept out of the check.
    assert cache(LLAMA, version="0.28.0").bytes_to_admit(16) == 2 * MIB
    assert cache(LLAMA, version="0.29.0").bytes_to_admit(16) == 4 * MIB


@pytest.mark.parametrize(("version", "stages"), [("0.13.0", 1), ("0.14.0", 2), ("0.16.0", 2), ("0.17.0", 1)])
def test_one_gpu_was_asked_for_the_cache_of_every_pipeline_stage_for_a_while(version, stages):
    # https://github.com/vllm-project/vllm/pull/34076, which mended it: Qwen3-Coder-30B-A3B-Instruct-FP8 in two stages
    # of 24 layers needed 24.0 GiB for 262,144 tokens and, with 3.18 GiB, was told an estimated 34,736 that fit.
    coder = shapes()["Qwen/Qwen3-Coder-30B-A3B-Instruct"].arch
    held = cache(coder, pp=2, version=version)
    assert held.bytes_to_admit(262144) == stages * 12 * GIB
    assert held.bytes_per_token == 12 * GIB // 262144  # of one stage: what the blocks have is as it was
    if stages == 2:
        lowest, highest = (held.longest_that_fits(round(gib * GIB), 262144) for gib in (3.175, 3.185))
        assert lowest <= 34736 <= highest


def test_chunks_beside_full_attention_were_charged_as_full_for_a_while():
    # vLLM 0.10.2 to 0.13 config/vllm.py: VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE is 0, and 1 from 0.14 on
    scout = shapes()["meta-llama/Llama-4-Scout-17B-16E-Instruct"].arch
    blocks = {
        version: cache_layout(
            scout, Layout(tensor_parallel_size=8), CacheSettings(engine_version=version, dtype="bfloat16")
        ).blocks_per_request(131072)
        for version in ("0.9.2", "0.10.0", "0.10.2", "0.13.0", "0.14.0")
    }
    assert blocks["0.9.2"] == blocks["0.10.2"] == blocks["0.13.0"] == 131072 // 16
    assert blocks["0.10.0"] == blocks["0.14.0"] == (131072 + 3 * (8192 + 2048)) // 16
    # a block of four groups has room for a quarter of the layers
    assert 48 / 12 * blocks["0.13.0"] / blocks["0.14.0"] == pytest.approx(3.24, abs=0.01)


def test_a_request_is_admitted_by_its_layers_own_windows_from_083_to_013():
    gemma = shapes()["google/gemma-3-12b-it"].arch
    page = 16 * 2 * 4 * 256 * 2
    all_full = 48 * 8192 * page
    # 8 layers keep 131,072 tokens, 40 a window of 1,024 and a batch of 2,048: 3,071 tokens, and one block more
    alone = (8 * 8192 + 40 * (192 + 1)) * page

    def admitted(version, **asked):
        return cache(gemma, tp=2, version=version, **asked).bytes_to_admit(131072)

    assert [admitted(v) for v in ("0.8.2", "0.8.3", "0.8.4", "0.9.0")] == [all_full, alone, alone, alone]
    assert admitted("0.8.4", by_v0=True) == all_full  # core/worker.py raise_if_cache_size_invalid counts blocks
    # What is cut into blocks for all tokens may start with less than a request takes: two RTX 4090 printed 0.53x.
    assert cache(gemma, tp=2, version="0.8.4").bytes_per_block == 48 * page
    # Without the hybrid manager too, until blocks are counted.
    assert [admitted(v, by_kind=False) for v in ("0.10.2", "0.13.0", "0.14.0")] == [alone, alone, all_full]


def test_stages_admit_a_request_by_their_own_layers():
    two = cache(LLAMA, pp=2, version="0.11.0")
    assert two.bytes_to_admit(8192) == 16 * 512 * 16 * 2 * 8 * 128 * 2
    assert two.bytes_to_admit(8192) == cache(LLAMA, pp=2, version="0.18.0").bytes_to_admit(8192)


def test_chunks_are_admitted_as_full_attention_until_they_have_a_cache_of_their_own():
    scout = shapes()["meta-llama/Llama-4-Scout-17B-16E-Instruct"].arch
    page = 16 * 2 * 1 * 128 * 2
    every, chunked = 48 * 8192 * page, (12 * 8192 + 36 * (8192 + 2048) // 16) * page
    found = [cache(scout, tp=8, version=v).bytes_to_admit(131072) for v in ("0.9.0", "0.9.2", "0.10.0", "0.10.2")]
    assert found == [every, every, chunked, chunked]


@pytest.mark.parametrize(
    ("version", "token_bytes"),
    [
        ("0.5.1", 27 * 8 * 2 * 256 * 2),
        ("0.6.6", 27 * 8 * 2 * 256 * 2),
        ("0.7.0", 27 * 8 * 2 * (128 + 64) * 2),
        ("0.7.1", 27 * (512 + 64) * 2),
        ("0.29.0", 27 * (512 + 64) * 2),
    ],
)
def test_latent_attention_kept_the_keys_of_every_head_before_071(version, token_bytes):
    # vllm-project/vllm#6156: two L40 with 0.5.1 hold 63,040 tokens
    lite = shapes()["deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct"].arch
    assert cache(lite, tp=2, version=version).bytes_per_token == token_bytes


def test_weights_that_071_could_not_run_so_keep_the_keys_of_every_head_until_073():
    lite = shapes()["deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct"].arch
    kept = {v: cache(lite, version=v, keeps_latent=False).bytes_per_token for v in ("0.7.1", "0.7.2", "0.7.3")}
    assert kept == {"0.7.1": 27 * 16 * 2 * 192 * 2, "0.7.2": 27 * 16 * 2 * 192 * 2, "0.7.3": 27 * 576 * 2}


def test_versions_take_the_newest_rules_that_they_have():
    assert rules_for("0.33.1") is RULES[-1]
    assert rules_for("0.4.0") is rules_for("0.6.6") is RULES[0]
    assert rules_for("0.9.1.dev287+g89b1388d8") is rules_for("0.8.3")
    assert rules_for("0.9.1") is not rules_for("0.9.0")
    assert rules_for("0.26.1rc1.dev156+g0eec856cc") is rules_for("0.26.1")
    for unknown in ("", "nightly", "0.3.3"):
        with pytest.raises(Unsupported):
            rules_for(unknown)


def test_what_is_not_taught_is_refused_by_name():
    with pytest.raises(Unsupported, match="nvfp4"):
        cache(LLAMA, kv_dtype="nvfp4")
