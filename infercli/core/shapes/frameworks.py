"""Facts of public models whose config.json was read in a training framework, or in an earlier state of a planner.

The one thing to know: a row is as in core/shapes/copies.py.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.facts import nas_blocks
from infercli.core.shapes.recipes import INT4_EXPERTS
from infercli.core.shapes.sources import NEMO, PLANNER

# ids, config.json, its quantization, where the copy of it stands
FRAMEWORKS: tuple[tuple[tuple[str, ...], Json, Json, str], ...] = (
    (
        ("nvidia/Llama-3_1-Nemotron-Ultra-253B-v1",),
        {
            "architectures": ["DeciLMForCausalLM"], "hidden_size": 16384, "max_position_embeddings": 131072,
            "num_attention_heads": 128, "num_hidden_layers": 162, "torch_dtype": "bfloat16", "vocab_size": 128256,
            "block_configs": nas_blocks(
                (0.4875, 16, 1), (0.975, 16, 1), (1.4625, 16, 6), (1.95, 16, 1), (0, 0, 4), (1.95, 16, 3),
                (4.875, 16, 2), (0, 0, 6), (4.875, 16, 3), (0, 0, 5), (4.875, 16, 3), (2.4375, 16, 1), (0, 0, 3),
                (1.95, 16, 3), (1.95, 0, 1), (4.875, 16, 1), (4.875, 0, 1), *[(0, 0, 5), (4.875, 16, 4)] * 4,
                (0, 0, 5), (4.875, 16, 1), (3.4125, 16, 3), (0, 0, 2), (2.925, 16, 1), (2.4375, 16, 3),
                (2.4375, 0, 2), (2.4375, 16, 1), (0, 0, 1), (2.4375, 0, 7), (2.4375, 16, 1), (0, 0, 5),
                (2.925, 16, 1), (4.875, 16, 1), (4.875, 0, 1), (4.875, 16, 1), (0, 0, 8), (36.5625, 0, 1), (0, 0, 8),
                (39.0, 0, 1), (0, 0, 8), (31.40625, 0, 1), (0, 0, 5), (27.5625, 0, 1), (1.95, 0, 1), (1.95, 16, 1),
                (2.4375, 16, 1), (0, 0, 1), (2.4375, 16, 2), (3.4125, 16, 1), (4.875, 16, 4), (2.4375, 16, 1),
            ),
        },
        None, NEMO.format("llama_nemotron_config"),
    ),
    (
        # Its quantization from its card: the routed experts in four bits, as those of Kimi-K2.6; 594 GB of files.
        ("moonshotai/Kimi-K2-Thinking",),
        {
            "architectures": ["DeepseekV3ForCausalLM"], "first_k_dense_replace": 1, "hidden_size": 7168,
            "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 262144,
            "moe_intermediate_size": 2048, "n_routed_experts": 384, "n_shared_experts": 1, "num_attention_heads": 64,
            "num_experts_per_tok": 8, "num_hidden_layers": 61, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 128,
            "vocab_size": 163840,
        },
        INT4_EXPERTS, PLANNER.format("821eb9a65145", "moonshotai--Kimi-K2-Thinking"),
    ),
)  # fmt: skip
