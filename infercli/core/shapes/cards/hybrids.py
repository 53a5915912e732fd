"""Models of general knowledge with recurrent layers."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import decoder


def _granite4(**numbers: Json) -> Json:
    mamba, attention = ["mamba"], ["attention"]
    return {
        "architectures": ["GraniteMoeHybridForCausalLM"], "num_hidden_layers": 40, "vocab_size": 100352,
        "tie_word_embeddings": True, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
        "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_head": 64, "mamba_expand": 2, "mamba_d_conv": 4,
        "position_embedding_type": "nope",
        "layer_types": 5 * mamba + attention + 3 * (9 * mamba + attention) + 4 * mamba,
    } | numbers  # fmt: skip


def _nemotron_h(pattern: str, **sizes: Json) -> Json:
    return {
        "architectures": ["NemotronHForCausalLM"], "hybrid_override_pattern": pattern, "head_dim": 128, "n_groups": 8,
        "num_key_value_heads": 8, "mamba_num_heads": 128, "ssm_state_size": 128, "vocab_size": 131072,
        "torch_dtype": "bfloat16", **sizes,
    }  # fmt: skip


def _mamba(name: str, hidden: int, rank: int, vocab: int, **more: Json) -> Json:
    return {
        "architectures": [name], "num_hidden_layers": 64, "hidden_size": hidden, "intermediate_size": 2 * hidden,
        "state_size": 16, "conv_kernel": 4, "time_step_rank": rank, "vocab_size": vocab, "use_conv_bias": True,
        "use_bias": False,
    } | more  # fmt: skip


_MINIMAX = decoder(
    "MiniMaxM1ForCausalLM", 80, 6144, 64, 8, 9216, 200064, 10240000, head_dim=128, num_local_experts=32,
    num_experts_per_tok=2, attn_type_list=10 * (7 * [0] + [1]), rotary_dim=64, shared_intermediate_size=0,
)  # fmt: skip
_CCA = ("conv", "conv", "full_attention")

# ids, the keys of config.json that decide sizes, parameters by the Hub's count; a float: billions, as published
HYBRIDS: tuple[tuple[tuple[str, ...], Json, int | float], ...] = (
    (("Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen3-Next-80B-A3B-Thinking", "Qwen/Qwen3-Coder-Next"),
     decoder("Qwen3NextForCausalLM", 48, 2048, 16, 2, 5120, 151936, 262144, head_dim=256, num_experts=512,
              num_experts_per_tok=10, moe_intermediate_size=512, shared_expert_intermediate_size=512,
              full_attention_interval=4, linear_num_key_heads=16, linear_num_value_heads=32, linear_key_head_dim=128,
              linear_value_head_dim=128, linear_conv_kernel_dim=4, partial_rotary_factor=0.25), 79_674_391_296),
    # Logs of 0.11 and 0.19 print 3.42 GiB (FP8) for the first and 2.72 for the second.
    (("ibm-granite/granite-4.0-micro",),
     _granite4(hidden_size=2560, num_attention_heads=40, num_key_value_heads=8, intermediate_size=8192,
               shared_intermediate_size=8192, num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=80,
               layer_types=40 * ["attention"], position_embedding_type="rope"), 3_402_836_480),
    (("ibm-granite/granite-4.0-h-1b",),
     _granite4(hidden_size=1536, num_attention_heads=12, num_key_value_heads=4, intermediate_size=4096,
               shared_intermediate_size=4096, num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=48),
     1_461_538_368),
    (("ibm-granite/granite-4.0-h-small",),
     _granite4(hidden_size=4096, num_attention_heads=32, num_key_value_heads=8, intermediate_size=768,
               shared_intermediate_size=1536, num_local_experts=72, num_experts_per_tok=10, mamba_n_heads=128),
     32_207_337_984),
    (("ibm-granite/granite-4.0-h-tiny",),
     _granite4(hidden_size=1536, num_attention_heads=12, num_key_value_heads=4, intermediate_size=512,
               shared_intermediate_size=1024, num_local_experts=64, num_experts_per_tok=6, mamba_n_heads=48),
     6_939_037_248),
    (("ai21labs/Jamba-v0.1", "ai21labs/AI21-Jamba-1.5-Mini", "ai21labs/AI21-Jamba-Mini-1.5"),
     decoder("JambaForCausalLM", 32, 4096, 32, 8, 14336, 65536, 262144, num_experts=16, num_experts_per_tok=2,
             attn_layer_offset=4, attn_layer_period=8, expert_layer_offset=1, expert_layer_period=2, mamba_d_conv=4,
             mamba_d_state=16, mamba_dt_rank=256, mamba_expand=2, mamba_conv_bias=True, mamba_proj_bias=False),
     51_570_323_328),
    (("MiniMaxAI/MiniMax-M1-80k", "MiniMaxAI/MiniMax-M1-40k"), _MINIMAX, 456_089_655_296),
    (("tiiuae/falcon-mamba-7b", "tiiuae/falcon-mamba-7b-instruct"),
     _mamba("FalconMambaForCausalLM", 4096, 256, 65024, torch_dtype="bfloat16", tie_word_embeddings=False),
     7_272_665_088),
    (("state-spaces/mamba-2.8b-hf",),
     _mamba("MambaForCausalLM", 2560, 160, 50280, torch_dtype="float32"), 2_768_345_600),
    (("mistralai/Mamba-Codestral-7B-v0.1",),
     {"architectures": ["Mamba2ForCausalLM"], "num_hidden_layers": 64, "hidden_size": 4096, "expand": 2,
      "head_dim": 64, "num_heads": 128, "n_groups": 8, "state_size": 128, "conv_kernel": 4, "vocab_size": 32768,
      "use_conv_bias": True, "use_bias": False, "tie_word_embeddings": False, "torch_dtype": "bfloat16"},
     7_285_403_648),
    (("tiiuae/Falcon-H1-34B-Base", "tiiuae/Falcon-H1-34B-Instruct"),
     decoder("FalconH1ForCausalLM", 72, 5120, 20, 4, 21504, 261120, 262144, head_dim=128, mamba_d_ssm=4096,
             mamba_n_heads=32, mamba_d_head=128, mamba_n_groups=2, mamba_d_state=256, mamba_d_conv=4, mamba_expand=2,
             mamba_conv_bias=True, mamba_rms_norm=True, tie_word_embeddings=False), 33_642_516_224),
    (("nvidia/Nemotron-H-8B-Base-8K",),
     _nemotron_h("M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-", hidden_size=4096, mamba_head_dim=64,
                 intermediate_size=21504, num_attention_heads=32, max_position_embeddings=8192), 8.1),
    (("MiniMaxAI/MiniMax-Text-01",),
     _MINIMAX | {"architectures": ["MiniMaxText01ForCausalLM"]}, 456_089_655_296),
    # As LFM2.5-8B-A1B (core/shapes/copies.py), with half the vocabulary.
    (("LiquidAI/LFM2-8B-A1B",),
     {"architectures": ["Lfm2MoeForCausalLM"], "conv_L_cache": 3, "conv_bias": False, "dtype": "bfloat16",
      "hidden_size": 2048, "intermediate_size": 7168, "max_position_embeddings": 128000,
      "moe_intermediate_size": 1792, "num_attention_heads": 32, "num_dense_layers": 2, "num_experts": 32,
      "num_experts_per_tok": 4, "num_hidden_layers": 24, "num_key_value_heads": 8, "tie_word_embeddings": True,
      "use_expert_bias": True, "vocab_size": 65536,
      "layer_types": [*_CCA, *4 * ["conv", *_CCA], *_CCA, "conv", "conv"]}, 8.3),
)  # fmt: skip
