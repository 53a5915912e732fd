"""What vLLM 0.30 to 0.33 changed for models with states, and GLM-5.3's pooled keys, by what public logs of it print."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.kv_cache.blocks import backend_block_tokens
from infercli.core.kv_cache.specs import kv_dtype
from infercli.core.shapes import find_shape
from tests.core.against_vllm.kv_models import MODELS
from tests.core.kv_cache.asked import cache

GLM = find_shape("zai-org/GLM-5.3-Flash").arch
QWEN = find_shape("Qwen/Qwen3.6-27B").arch
NEMOTRON = find_shape("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16").arch
OLMO = architecture.parse({
    "architectures": ["OlmoHybridForCausalLM"], "hidden_size": 3840, "intermediate_size": 11008,
    "num_attention_heads": 30, "num_key_value_heads": 30, "num_hidden_layers": 32, "vocab_size": 100352,
    "max_position_embeddings": 65536, "linear_key_head_dim": 128,
})  # fmt: skip
HOPPER, CONSUMER_BLACKWELL, AMPERE, ADA = (9, 0), (12, 0), (8, 0), (8, 9)


def glm(capability, asked="auto", version="0.31.0", **more):
    block = backend_block_tokens(GLM, (0, 31), capability, fp8=asked != "auto")
    dtype = kv_dtype(asked, False, GLM, capability, tuple(map(int, version.split(".")[:2])))
    given = {"kv_dtype": dtype, "block_tokens": block, "prefix_caching": True, "capability": capability}
    return cache(GLM, version=version, **given | more)


@pytest.mark.parametrize(
    ("asked", "block_tokens", "blocks", "tokens"), [("auto", 2304, 1140, 2_532_577), ("fp8", 4480, 1078, 4_503_445)]
)
def test_glm_53_on_two_h200_holds_the_tokens_that_its_log_prints(asked, block_tokens, blocks, tokens):
    """vllm-project/vllm#55221: two ranks, three drafts, 1,048,576 tokens; how many blocks is not printed."""
    held = glm(HOPPER, asked, tp=2, speculative_tokens=3)
    assert held.block_tokens == block_tokens
    assert held.capacity(blocks * held.bytes_per_block, 1_048_576).tokens == tokens


def test_glm_53_has_the_groups_and_pages_of_public_servers():
    """LMCache/LMCache#5042 on four ranks; MiaAI-Lab/GLM-5.3-Flash-EXL3-2x-DGX-Sparks#94 on two GB10 with 7 drafts."""
    four = glm(HOPPER, tp=4)
    assert four.block_tokens == 1152
    assert sorted((g.first.kind, len(g.layers)) for g in four.groups) == [
        ("full", 22), ("ring", 11), ("state", 8), ("state", 8), ("state", 9), ("state", 9),
    ]  # fmt: skip
    drafts = {"speculative_tokens": 7, "draft_layers": ()}
    spark = glm((12, 1), "fp8", tp=2, **drafts)
    pages = {placed.cache.page_bytes for group in spark.groups for placed in group.layers if group.first.kind == "full"}
    assert (spark.block_tokens, pages) == (3584, {2_351_104, 118_272})
    # 280 blocks of keys, one of what is not pooled yet, and for four groups of states one, one kept, and seven drafts
    assert spark.blocks_per_request(1_000_000) == 280 + 1 + 4 * (1 + 1 + 7)


def test_pooled_keys_are_a_quarter_of_those_that_every_token_has():
    full = glm(HOPPER)
    # of each layer 512 values of latents, and 132 B of an indexer's key for four tokens
    assert full.bytes_per_token == 11 * (512 * 2 + 33)
    assert glm(HOPPER, "fp8").bytes_per_token == 11 * (512 + 33)
    assert glm(CONSUMER_BLACKWELL).bytes_per_token == 11 * (656 + 33)


@pytest.mark.parametrize(
    ("name", "version", "capability", "dtype"),
    [
        ("zai-org/GLM-5.2", "0.31", (10, 0), "auto"),
        ("zai-org/GLM-5.2", "0.32", (10, 0), "fp8"),
        ("zai-org/GLM-5.2", "0.33", (9, 0), "auto"),
        ("zai-org/GLM-5.3-Flash", "0.32", (10, 3), "auto"),
        ("zai-org/GLM-5.3-Flash", "0.33", (10, 3), "fp8"),
        ("deepseek-ai/DeepSeek-V3.2", "0.33", (10, 0), "auto"),
    ],
)
def test_glm_caches_in_fp8_on_blackwell_of_data_centres_where_nothing_is_asked_for(name, version, capability, dtype):
    release = tuple(map(int, version.split(".")))
    assert kv_dtype("auto", False, find_shape(name).arch, capability, release) == dtype
    assert kv_dtype("bfloat16", False, find_shape(name).arch, capability, release) == "bfloat16"


def states(arch, version, capability, **more):
    """Blocks of a short request that are for states, and tokens of a block."""
    held = cache(arch, version=version, **{"capability": capability, "prefix_caching": True} | more)
    groups = sum(group.first.kind == "state" for group in held.groups)
    return (held.blocks_per_request(1) - (len(held.groups) - groups)) / groups, held.block_tokens


def test_since_032_prompts_of_mamba_2_leave_a_state_on_their_way():
    blocks = {version: states(NEMOTRON, version, AMPERE)[0] for version in ("0.31.0", "0.32.0", "0.33.0")}
    assert blocks == {"0.31.0": 2, "0.32.0": 3, "0.33.0": 3}
    assert states(NEMOTRON, "0.33.0", None)[0] == 3  # on any GPU
    assert states(NEMOTRON, "0.33.0", AMPERE, prefix_caching=False)[0] == 1


@pytest.mark.parametrize(
    ("arch", "version", "capability", "blocks", "step"),
    [
        (QWEN, "0.32.0", HOPPER, 2, 16),
        (QWEN, "0.33.0", HOPPER, 3, 64),
        (QWEN, "0.33.0", CONSUMER_BLACKWELL, 3, 64),
        (QWEN, "0.33.0", ADA, 2, 16),
        (QWEN, "0.33.0", None, 2, 16),
        (OLMO, "0.33.0", HOPPER, 2, 16),
    ],
)
def test_since_033_prompts_of_delta_nets_do_where_flashinfer_runs_them(arch, version, capability, blocks, step):
    found, tokens = states(arch, version, capability)
    assert found == blocks
    assert tokens % step == 0
    assert tokens % 64 == 0 or step == 16
    if step == 64:
        before = states(arch, "0.32.0", capability)[1]
        assert tokens == -(-before // 64) * 64


def test_without_a_cache_of_prefixes_blocks_are_as_they_were():
    assert states(QWEN, "0.33.0", HOPPER, prefix_caching=False) == (1, states(QWEN, "0.32.0", HOPPER)[1])


def test_glm_53_leaves_states_on_the_way_since_032():
    def blocks(version, capability):
        return glm(capability, version=version).blocks_per_request(1)

    assert blocks("0.32.0", HOPPER) - blocks("0.31.0", HOPPER) == 4  # one for each group of states
    kimi = architecture.parse(MODELS["states of KDA beside latent attention"])
    assert states(kimi, "0.33.0", HOPPER)[0] == 2  # whose gate has no bound
