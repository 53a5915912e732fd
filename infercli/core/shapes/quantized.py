"""Quantized checkpoints of models that are shipped as they were trained: only how they are stored is a fact of its own.

The one thing to know: a list that names every layer is written with `*` for its number, where all are named; a test
compares each row, tensor by tensor, with the whole file.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.copies import PLANNER, REPORT
from infercli.core.shapes.facts import FP8_BLOCK


def _nvfp4(*excluded: str) -> Json:
    """ModelOpt's hf_quant_config.json of NVFP4 weights and an FP8 KV cache, all but `excluded` modules quantized."""
    stated = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": list(excluded)}
    return {"producer": {"name": "modelopt"}, "quantization": stated}


_GLM = _nvfp4("lm_head", *(f"model.layers.{i}.*" for i in (0, 1, 2, 78)), "*.mlp.shared_experts*", "*.self_attn*")
_KIMI = _nvfp4("language_model.lm_head", "language_model.model.layers.0.*", "*.mlp.shared_experts*", "*.self_attn*")
_QWEN35 = _nvfp4("lm_head", "*.linear_attn*", "*.mlp.shared_expert*", "*.self_attn*")
_DEEPSEEK = (
    "lm_head",
    "model.layers.61*",
    *(f"*.self_attn.{n}" for n in ("kv_a_proj_with_mqa", "kv_b_proj", "q_a_proj", "q_b_proj")),
)
_AWQ: Json = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
_FP8: Json = {"quant_algo": "FP8"}
_W4A16: Json = {"quant_algo": "W4A16_NVFP4", "group_size": 16}
_MXFP8: Json = {"quant_algo": "MXFP8"}
_INT4_EXPERTS: Json = {
    "quant_method": "compressed-tensors", "format": "pack-quantized",
    "config_groups": {"group_0": {
        "targets": ["Linear"],
        "weights": {"group_size": 32, "num_bits": 4, "strategy": "group", "symmetric": True, "type": "int"},
    }},
    "ignore": [
        "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", "re:.*lm_head.*",
        "re:.*vision_tower.*", "re:.*mm_projector.*",
    ],
}  # fmt: skip

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
        "nvidia/Qwen3-235B-A22B-NVFP4", "Qwen/Qwen3-235B-A22B", _nvfp4("lm_head"),
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
        "nvidia/MiniMax-M2.5-NVFP4", "MiniMaxAI/MiniMax-M2.5", _nvfp4("lm_head", "*.self_attn*"),
        "nvidia--MiniMax-M2.5-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Gemma-4-26B-A4B-NVFP4", "google/gemma-4-26B-A4B-it",
        _nvfp4("lm_head", "*.mlp*", "*.self_attn*"), "nvidia--Gemma-4-26B-A4B-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/Gemma-4-31B-IT-NVFP4", "google/gemma-4-31B-it",
        _nvfp4("lm_head", "*.self_attn*"), "nvidia--Gemma-4-31B-IT-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/DeepSeek-V3.1-NVFP4", "deepseek-ai/DeepSeek-V3", _nvfp4(*_DEEPSEEK),
        "nvidia--DeepSeek-V3.1-NVFP4_hf_quant_config.json",
    ),
    (
        "nvidia/DeepSeek-V3.2-NVFP4", "deepseek-ai/DeepSeek-V3.2", _nvfp4(*_DEEPSEEK, "*.self_attn.indexer*"),
        "nvidia--DeepSeek-V3.2-NVFP4_hf_quant_config.json",
    ),
    ("nvidia/GLM-5.1-NVFP4", "zai-org/GLM-5.1", _GLM, "nvidia--GLM-5.1-NVFP4_hf_quant_config.json"),
    ("nvidia/GLM-5.2-NVFP4", "zai-org/GLM-5.2", _GLM, "nvidia--GLM-5.2-NVFP4_hf_quant_config.json"),
    ("nvidia/GLM-5.3-NVFP4", "zai-org/GLM-5.3-FP8", _GLM, "nvidia--GLM-5.3-NVFP4_hf_quant_config.json"),
    (
        "nvidia/Kimi-K2.5-NVFP4", "moonshotai/Kimi-K2.5",
        _nvfp4("language_model.lm_head", "*.self_attn*"), "nvidia--Kimi-K2.5-NVFP4_config.json",
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
        _nvfp4(
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

_AWQ_OF = (
    *(f"Qwen/Qwen3-{size}" for size in ("4B", "8B", "14B", "32B")), "Qwen/QwQ-32B",
    *(f"Qwen/Qwen2.5-{size}-Instruct" for size in ("0.5B", "1.5B", "3B", "7B", "14B", "32B", "Coder-7B", "Coder-32B")),
)  # fmt: skip
_FP8_OF = (
    *(f"Qwen/Qwen3-{size}" for size in ("0.6B", "1.7B", "4B", "8B", "14B", "30B-A3B")),
    *(f"Qwen/Qwen3-{size}-2507" for size in ("4B-Instruct", "4B-Thinking", "30B-A3B-Instruct", "30B-A3B-Thinking")),
    *(f"Qwen/Qwen3-{size}-2507" for size in ("235B-A22B-Instruct", "235B-A22B-Thinking")),
    *(f"Qwen/Qwen3-Coder-{size}-Instruct" for size in ("30B-A3B", "480B-A35B")),
)  # fmt: skip

_NVFP4_COMPRESSED: Json = {
    "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized",
    "config_groups": {"group_0": {
        "targets": ["Linear"],
        "weights": {"group_size": 16, "num_bits": 4, "strategy": "tensor_group", "symmetric": True, "type": "float"},
        "input_activations": {
            "dynamic": "local", "group_size": 16, "num_bits": 4, "strategy": "tensor_group", "symmetric": True,
            "type": "float",
        },
    }},
    "ignore": [
        "lm_head", "re:.*visual.*", "re:.*mlp.gate$", "re:.*shared_expert_gate$", "re:.*linear_attn.*", "re:^mtp.*",
    ],
}  # fmt: skip

_QWEN3_5_FP8: Json = FP8_BLOCK | {
    "modules_to_not_convert": [
        "lm_head", "mtp.fc",
        *(f"model.language_model.layers.{i}.linear_attn.in_proj_{gate}" for i in range(64) for gate in "ab"),
    ],
}  # fmt: skip
_QWEN3_5_FP8_OF = (
    *(f"Qwen/Qwen3.{generation}-27B" for generation in (5, 6, 8)),
    *(f"Qwen/Qwen3.{generation}-35B-A3B" for generation in (5, 6)), "Qwen/Qwen3.5-122B-A10B", "Qwen/Qwen3.5-397B-A17B",
)  # fmt: skip
_LLAMA_FP8: Json = {
    "quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0,
    "modules_to_not_convert": [
        "lm_head", *(f"model.layers.{i}.self_attn.{p}_proj" for i in range(126) for p in "qkvo"),
        *(f"model.layers.{i}.mlp.{p}_proj" for i in (0, 125) for p in ("gate", "up", "down")),
    ],
}  # fmt: skip
"""Feed-forward layers but the first and the last (The Llama 3 Herd of Models, 6.2)."""

# id, the id whose architecture it has, its quantization: as their cards on the Hub say, from knowledge
QUANTIZED_CARDS: tuple[tuple[str, str, Json], ...] = (
    *((f"{base}-AWQ", base, _AWQ) for base in _AWQ_OF),
    *((f"{base}-FP8", base, FP8_BLOCK) for base in _FP8_OF),
    *((f"{base}-FP8", base, _QWEN3_5_FP8) for base in _QWEN3_5_FP8_OF),
    *(
        (f"hugging-quants/{base}-AWQ-INT4", f"meta-llama/{base}", _AWQ)
        for base in ("Meta-Llama-3.1-8B-Instruct", "Meta-Llama-3.1-70B-Instruct")
    ),
    ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", "Qwen/Qwen3.6-35B-A3B", _NVFP4_COMPRESSED),
    *(
        (f"meta-llama/{base}-FP8", f"meta-llama/{base}", _LLAMA_FP8)
        for base in ("Llama-3.1-405B-Instruct", "Meta-Llama-3.1-405B-Instruct")
    ),
)

# id, the id whose architecture it has, its quantization, where the copy of its file stands
QUANTIZED_COPIES: tuple[tuple[str, str, Json, str], ...] = (
    (
        "moonshotai/Kimi-K2.6", "moonshotai/Kimi-K2.5", _INT4_EXPERTS,
        REPORT.format("b521199165b8", "models/kimi_k2.6"),
    ),
    (
        "moonshotai/Kimi-K2.7-Code", "moonshotai/Kimi-K2.5", _INT4_EXPERTS,
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
        _nvfp4(
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
        _nvfp4("lm_head", "*.block_sparse_moe.gate", "*.self_attn*"),
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
)  # fmt: skip
