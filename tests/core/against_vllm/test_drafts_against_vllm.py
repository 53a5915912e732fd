"""What a draft model takes beside the model that it drafts for must be what vLLM's own classes hold and keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.core.architecture.drafts import parse_draft
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.units import GIB
from tests.core.against_vllm.class_models import CLASSES
from tests.core.against_vllm.test_kv_cache_against_vllm import PLAIN
from tests.parts.engine_python import ask_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ORACLE = Path(__file__).with_name("kv_oracle.py")
TARGET = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 1024, "intermediate_size": 2176,
    "num_hidden_layers": 6, "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 32000,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "hidden_act": "silu",
}  # fmt: skip
QWEN = TARGET | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 96, "attention_bias": False}
HEAD = TARGET | {"num_hidden_layers": 1, "intermediate_size": 1792, "num_attention_heads": 8, "num_key_value_heads": 2,
                 "max_position_embeddings": 2048}  # fmt: skip
LAGUNA = CLASSES["LagunaForCausalLM"]
DFLASH_LAGUNA = LAGUNA | {
    "architectures": ["DFlashLagunaForCausalLM"], "num_hidden_layers": 2, "layer_types": ["sliding_attention"] * 2,
    "num_attention_heads_per_layer": [24, 24], "mlp_layer_types": ["dense"] * 2, "mlp_only_layers": [0, 1],
    "num_experts": 0, "draft_vocab_size": LAGUNA["vocab_size"], "dflash_config": {"target_layer_ids": [1, 3]},
}  # fmt: skip
CASES = {
    "a small model of its own": (TARGET, "draft_model", HEAD | {"hidden_size": 512, "head_dim": 64}),
    "a small model with other pages": (TARGET, "draft_model", HEAD | {"hidden_size": 512, "head_dim": 48}),
    "EAGLE": (TARGET, "eagle", HEAD | {"architectures": ["EagleLlamaForCausalLM"]}),
    "EAGLE with two layers": (TARGET, "eagle", HEAD | {"num_hidden_layers": 2}),
    "EAGLE-3 with a small vocabulary": (
        TARGET, "eagle3", HEAD | {"architectures": ["LlamaForCausalLMEagle3"], "draft_vocab_size": 8000}),
    "EAGLE-3 with two layers, five states, norms and biases": (
        TARGET, "eagle3",
        HEAD | {"architectures": ["Eagle3LlamaForCausalLM"], "num_hidden_layers": 2, "attention_bias": True,
                "fc_norm": True, "eagle_config": {"eagle_aux_hidden_state_layer_ids": [1, 2, 3, 4, 5]}}),
    "EAGLE-3 for Qwen3": (QWEN, "eagle3", QWEN | {"architectures": ["Eagle3Qwen3ForCausalLM"], "num_hidden_layers": 1}),
    "DFlash": (
        QWEN, "dflash",
        QWEN | {"architectures": ["DFlashDraftModel"], "num_hidden_layers": 2,
                "dflash_config": {"target_layer_ids": [1, 2, 4], "mask_token_id": 7}}),
    "DFlash for Laguna": (LAGUNA, "dflash", DFLASH_LAGUNA),
}  # fmt: skip
ASKED = [(name, tp) for name in CASES for tp in (1, 2, 8)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, int], dict]:
    questions = [{"available_bytes": GIB, "max_model_len": 2048}, {"available_bytes": 3 * GIB, "max_model_len": 1000}]
    asked = [
        PLAIN | {"config": target, "draft": {"method": method, "config": config}, "tp": tp, "speculative_tokens": 3,
                 "questions": questions}
        for name, tp in ASKED for target, method, config in [CASES[name]]
    ]  # fmt: skip
    return dict(zip(ASKED, ask_vllm(ORACLE, asked, tmp_path_factory.mktemp("oracle")), strict=True))


def drafted(name: str) -> tuple[architecture.ModelArch, architecture.ModelArch]:
    target, method, config = CASES[name]
    arch = architecture.parse(target)
    return arch, parse_draft(method, config, arch.hidden)


@pytest.mark.parametrize(("name", "tp"), ASKED)
def test_we_count_the_parameters_that_the_draft_adds(answers, name, tp):
    said = answers[name, tp]
    assert "not_built" not in said, said
    method = CASES[name][1]
    shared = () if method == "draft_model" else ("embed_tokens",) if method == "eagle3" else ("embed_tokens", "lm_head")
    held = {n: size for n, size in said["draft_parameters"].items() if not any(part in n for part in shared)}
    held.pop("draft_id_to_target_id", None)  # a number for each entry of its vocabulary
    _, draft = drafted(name)
    assert sum(held.values()) == sum(
        t.copies * t.outputs * t.inputs for t in rank_tensors(draft, Layout(tensor_parallel_size=tp))
    )


@pytest.mark.parametrize(("name", "tp"), ASKED)
def test_blocks_tokens_and_concurrency_are_vllms(answers, name, tp):
    arch, draft = drafted(name)
    layout = cache_layout(
        arch,
        Layout(tensor_parallel_size=tp),
        CacheSettings(
            engine_version="0.29.0", dtype="bfloat16", max_num_batched_tokens=8192, prefix_caching=True,
            speculative_tokens=3, draft_layers=draft.layers,
        ),
    )  # fmt: skip
    assert layout is not None
    for asked, said in zip(((GIB, 2048), (3 * GIB, 1000)), answers[name, tp]["answers"], strict=True):
        ours = layout.capacity(*asked)
        assert (ours.blocks, ours.tokens, ours.concurrency) == (said["blocks"], said["tokens"], said["concurrency"])
