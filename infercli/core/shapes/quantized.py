"""Quantized checkpoints of models that are shipped as they were trained: only how they are stored is a fact of its own.

The one thing to know: a list that names every layer is written with `*` for its number, where all are named; a test
compares each row, tensor by tensor, with the whole file.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.recipes import FP8_BLOCK, INT4_EXPERTS, MXFP4_EXPERTS, nvfp4, nvfp4_tensors
from infercli.core.shapes.sources import BY_SIZE, PLANNER, REPORT

_GLM = nvfp4("lm_head", *(f"model.layers.{i}.*" for i in (0, 1, 2, 78)), "*.mlp.shared_experts*", "*.self_attn*")
_KIMI = nvfp4("language_model.lm_head", "language_model.model.layers.0.*", "*.mlp.shared_experts*", "*.self_attn*")
_QWEN35 = nvfp4("lm_head", "*.linear_attn*", "*.mlp.shared_expert*", "*.self_attn*")
_DEEPSEEK = (
    "lm_head",
    "model.layers.61*",
    *(f"*.self_attn.{n}" for n in ("kv_a_proj_with_mqa", "kv_b_proj", "q_a_proj", "q_b_proj")),
)
_FP8: Json = {"quant_algo": "FP8"}
_W4A16: Json = {"quant_algo": "W4A16_NVFP4", "group_size": 16}
_MXFP8: Json = {"quant_algo": "MXFP8"}
_BLOCKS: Json = {"quant_algo": "FP8_PB_WO"}
_KIMI_K3_ATTENTION = ("q", "k", "v", "g", "f_a", "b", "o", "q_a", "q_b", "kv_b")
"""What of it nvidia/Kimi-K3-NVFP4 has in FP8 by blocks, beside kv_a_proj_with_mqa: f_b_proj keeps 16 bits."""

# id, the id whose architecture it has, its quantization (of config.json or hf_quant_config.json), file in the source
QUANTIZED: tuple[tuple[str, str, Json, str], ...] = (
    ("Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-32B", FP8_BLOCK, "Qwen--Qwen3-32B-FP8_config.json"),
    ("Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-235B-A22B", FP8_BLOCK, "Qwen--Qwen3-235B-A22B-FP8_config.json"),
    (
        "nvidia/Llama-3.1-70B-Instruct-FP8", "meta-llama/Llama-3.1-70B-Instruct",
        {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}},
        "nvidia--Llama-3.1-70B-Instruct-FP8_hf_quant_config.json",
    ),
    (
        "nvidia/Qwen3-235B-A22B-NVFP4", "Qwen/Qwen3-235B-A22B", nvfp4("lm_head"),
        "nvidia--Qwen3-235B-A22B-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Qwen3.5-122B-A10B-NVFP4", "Qwen/Qwen3.5-122B-A10B", _QWEN35,
        "nvidia--Qwen3.5-122B-A10B-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Qwen3.5-397B-A17B-NVFP4", "Qwen/Qwen3.5-397B-A17B", _QWEN35,
        "nvidia--Qwen3.5-397B-A17B-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Qwen3.6-35B-A3B-NVFP4", "Qwen/Qwen3.6-35B-A3B",
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
            **dict.fromkeys((f"*.linear_attn.{name}" for name in ("in_proj_qkv", "in_proj_z", "out_proj")), _FP8),
            **dict.fromkeys((f"*.self_attn.{name}_proj" for name in "qkvo"), _FP8),
            **dict.fromkeys(("*.mlp.experts", "*.mlp.shared_expert.*", "lm_head"), _W4A16),
        }},
        "nvidia--Qwen3.6-35B-A3B-NVFP4_config.json",
    ),
    (
        "nvidia/MiniMax-M2.5-NVFP4", "MiniMaxAI/MiniMax-M2.5", nvfp4("lm_head", "*.self_attn*"),
        "nvidia--MiniMax-M2.5-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Gemma-4-26B-A4B-NVFP4", "google/gemma-4-26B-A4B-it",
        nvfp4("lm_head", "*.mlp*", "*.self_attn*"), "nvidia--Gemma-4-26B-A4B-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Gemma-4-31B-IT-NVFP4", "google/gemma-4-31B-it",
        nvfp4("lm_head", "*.self_attn*"), "nvidia--Gemma-4-31B-IT-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/DeepSeek-V3.1-NVFP4", "deepseek-ai/DeepSeek-V3", nvfp4(*_DEEPSEEK),
        "nvidia--DeepSeek-V3.1-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/DeepSeek-V3.2-NVFP4", "deepseek-ai/DeepSeek-V3.2", nvfp4(*_DEEPSEEK, "*.self_attn.indexer*"),
        "nvidia--DeepSeek-V3.2-NVFP4_hf_quant_config.json",
    ),
    ("nvidia/GLM-5.1-NVFP4", "zai-org/GLM-5.1", _GLM, "nvidia--GLM-5.1-NVFP4_hf_quant_config.json"),
    ("nvidia/GLM-5.2-NVFP4", "zai-org/GLM-5.2", _GLM, "nvidia--GLM-5.2-NVFP4_hf_quant_config.json"),
    ("nvidia/GLM-5.3-NVFP4", "zai-org/GLM-5.3-FP8", _GLM, "nvidia--GLM-5.3-NVFP4_hf_quant_config.json"),
    (
        "nvidia/Kimi-K2.5-NVFP4", "moonshotai/Kimi-K2.5",
        nvfp4("language_model.lm_head", "*.self_attn*"), "nvidia--Kimi-K2.5-NVFP4_config.json",
    ),
    ("nvidia/Kimi-K2.6-NVFP4", "moonshotai/Kimi-K2.5", _KIMI, "nvidia--Kimi-K2.6-NVFP4_hf_quant_config.json"),
    ("nvidia/Kimi-K2.7-Code-NVFP4", "moonshotai/Kimi-K2.5", _KIMI, "nvidia--Kimi-K2.7-Code-NVFP4_hf_quant_config.json"),
    (
        "nvidia/MiniMax-M3-NVFP4", "MiniMaxAI/MiniMax-M3-MXFP8",
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
            **dict.fromkeys((f"*.self_attn.{n}_proj" for n in ("q", "k", "v", "o", "index_q", "index_k")), _MXFP8),
            **dict.fromkeys((f"*.mlp.{n}_proj" for n in ("gate", "up", "down")), _MXFP8),
            **dict.fromkeys((f"*.shared_experts.{n}_proj" for n in ("gate", "up", "down")), _MXFP8),
            "*.block_sparse_moe.experts": {"quant_algo": "NVFP4", "group_size": 16},
        }, "exclude_modules": [
            "lm_head", "model.embed_tokens", "vision_tower", "multi_modal_projector", "patch_merge_mlp",
            "*.block_sparse_moe.gate",
        ]},
        "nvidia--MiniMax-M3-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        nvfp4(
            "lm_head", "*.mixer.conv1d", *(f"*.mixer.{name}_proj" for name in "qkvo"),
            *(f"backbone.layers.{i}.mixer.{name}_proj" for i in (4, 11, 18, 25, 32, 41) for name in ("in", "out")),
        ),
        "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4", "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16",
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "kv_cache_quant_algo": "FP8",
         "quantized_layers": {
            **dict.fromkeys(("*.mixer.in_proj", "*.mixer.out_proj"), _FP8),
            **dict.fromkeys(("*.mixer.experts", "*.mixer.shared_experts.*", "lm_head"), _W4A16),
         }},
        "nvidia--NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4_hf_quant_config.json",
    ),
)  # fmt: skip

# id, the id whose architecture it has, its quantization, where the copy of its file stands
QUANTIZED_COPIES: tuple[tuple[str, str, Json, str], ...] = (
    (
        "moonshotai/Kimi-K2.6", "moonshotai/Kimi-K2.5", INT4_EXPERTS,
        REPORT.format("b521199165b8", "models/kimi_k2.6"),
    ),
    (
        "moonshotai/Kimi-K2.7-Code", "moonshotai/Kimi-K2.5", INT4_EXPERTS,
        REPORT.format("a0d3871ab6f5", "models/kimi_k2.7_code"),
    ),
    (
        "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", "Qwen/Qwen3-Next-80B-A3B-Instruct",
        FP8_BLOCK | {"modules_to_not_convert": [
            "lm_head", "mtp.fc",
            *(
                f"{layer}.{module}"
                for layer in (*(f"model.layers.{i}" for i in range(48)), "mtp.layers.0")
                for module in ("mlp.gate", "mlp.shared_expert_gate")
            ),
            *(
                f"model.layers.{i}.linear_attn.{name}"
                for i in range(48) if i % 4 != 3
                for name in ("conv1d", "in_proj_ba")
            ),
        ]},
        REPORT.format("d881ab7320b8", "qwen3_next_80b_a3b_instruct_fp8"),
    ),
    ("zai-org/GLM-5.2-FP8", "zai-org/GLM-5.2", FP8_BLOCK, PLANNER.format("095f58a51c4c", "zai-org--GLM-5.2-FP8")),
    (
        "nvidia/GLM-5-NVFP4", "zai-org/GLM-5",
        nvfp4(
            "lm_head", "model.layers.78*", "*.self_attn.indexer*",
            *(f"*.self_attn.{name}" for name in ("kv_a_proj_with_mqa", "kv_b_proj", "o_proj", "q_a_proj", "q_b_proj")),
        ),
        PLANNER.format("095f58a51c4c", "nvidia--GLM-5-NVFP4_hf_quant"),
    ),
    (
        "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",
        {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
        PLANNER.format("095f58a51c4c", "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-FP8_hf_quant"),
    ),
    (
        "nvidia/MiniMax-M2.7-NVFP4", "MiniMaxAI/MiniMax-M2.5",  # of its length, which is not that of M2.7
        nvfp4("lm_head", "*.block_sparse_moe.gate", "*.self_attn*"),
        PLANNER.format("095f58a51c4c", "nvidia--MiniMax-M2.7-NVFP4_hf_quant"),
    ),
    (
        "nvidia/Qwen3.6-27B-NVFP4", "Qwen/Qwen3.6-27B",
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "kv_cache_quant_algo": "FP8",
         "quantized_layers": {
            **dict.fromkeys((f"*.linear_attn.{name}" for name in ("in_proj_qkv", "in_proj_z", "out_proj")), _FP8),
            **dict.fromkeys((f"*.self_attn.{name}_proj" for name in "qkvo"), _FP8),
            **dict.fromkeys((*(f"*.mlp.{name}_proj" for name in ("gate", "up", "down")), "lm_head"), _W4A16),
         }},
        PLANNER.format("095f58a51c4c", "nvidia--Qwen3.6-27B-NVFP4_hf_quant"),
    ),
    (
        "nvidia/DeepSeek-V3-0324-NVFP4", "deepseek-ai/DeepSeek-V3",
        {"quantization": {
            "quant_algo": "NVFP4", "group_size": 16,
            "exclude_modules": ["lm_head", "model.embed_tokens", "model.layers.61*", "*.self_attn*"],
        }},
        PLANNER.format("6d449daaff3c", "nvidia--DeepSeek-V3-0324-NVFP4_hf_quant"),
    ),
    (
        "nvidia/Qwen3-30B-A3B-NVFP4", "Qwen/Qwen3-30B-A3B", nvfp4("lm_head", "*.mlp.gate"),
        PLANNER.format("473ce5b6b44c", "nvidia--Qwen3-30B-A3B-NVFP4_hf_quant"),
    ),
    (
        "nvidia/Qwen3-32B-NVFP4", "Qwen/Qwen3-32B", nvfp4("lm_head"),
        PLANNER.format("f577ab8432df", "nvidia--Qwen3-32B-NVFP4_hf_quant"),
    ),
    (
        "RedHatAI/Kimi-K3-NVFP4", "moonshotai/Kimi-K3",
        nvfp4_tensors(*MXFP4_EXPERTS["ignore"], "re:.*routed_expert_(down|up)_proj.*"),
        BY_SIZE.format("vllm-project/recipes#744"),
    ),
    (
        "nvidia/Kimi-K3-NVFP4", "moonshotai/Kimi-K3",
        {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
            "*.experts*": {"quant_algo": "NVFP4", "group_size": 16},
            **dict.fromkeys((f"*.self_attn.{name}_proj" for name in _KIMI_K3_ATTENTION), _BLOCKS),
            "*.self_attn.kv_a_proj_with_mqa": _BLOCKS,
        }},
        BY_SIZE.format("NVIDIA/Model-Optimizer#2206"),
    ),
    (
        "thinkingmachines/Inkling-NVFP4", "thinkingmachines/Inkling",
        {"quantization": {
            "quant_algo": "NVFP4", "group_size": 16,
            # By the size one layer's experts keep 16 bits; which one changes nothing.
            "exclude_modules": [
                "model.llm.unembed", "*.attn*", "*.mlp.w*", "*.mlp.shared_experts*", "model.llm.layers.2.mlp.experts*",
            ],
        }},
        BY_SIZE.format("vllm-project/recipes#638"),
    ),
)  # fmt: skip
