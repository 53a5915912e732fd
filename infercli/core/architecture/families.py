"""The decoders of the Llama type, a row for each class; core/architecture/decoder.py says what a row means.

LayerNorm has a bias, so that each of them counts as two norms.
"""

from __future__ import annotations

from infercli.core.architecture.decoder import Row
from infercli.core.architecture.experts import GRANITE, MIXTRAL, QWEN, Mixture

_BIASED_ROUTER = Mixture(router_bias=True)
_FLOAT32_ROUTER = Mixture(router_bias=True, router_float32=True)

_BIAS = ("attention_bias", "bias")
_LLAMA = Row(qkv_bias=_BIAS, output_bias=_BIAS, mlp_bias="mlp_bias")
_MISTRAL = Row(kv_heads=8, window_default=4096)
_QWEN2 = Row(qkv_bias=True, windows="flag")
_QWEN3 = Row(qkv_bias="attention_bias", qk_norm="head", head_dim=128, windows="flag")
_GEMMA = Row(tied=True, head_dim=256)
_GEMMA2 = _GEMMA._replace(
    qkv_bias="attention_bias", output_bias="attention_bias", norms=4, windows="alternate", window_default=4096
)  # fmt: skip
_GEMMA3 = _GEMMA2._replace(qk_norm="head", windows="types", full_every=6)
_PHI3 = Row(names=("qkv_proj", "o_proj"), mlp_names=("gate_up_proj", "down_proj"))
_GPT2 = Row(
    qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=4, final_norm=2, tied=True, expansion=4,
    attention="attn", names=("c_attn", "c_proj"), mlp_names=("c_fc", "c_proj"), learned_positions=0,
)  # fmt: skip
_COHERE = Row(qk_norm="full", qk_norm_flag="use_qk_norm", norms=1, tied=True)
_CHATGLM = Row(
    qkv_bias=("add_qkv_bias", "add_bias_linear"), output_bias="add_bias_linear", mlp_bias="add_bias_linear",
    attention="self_attention", names=("query_key_value", "dense"),
    mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
)  # fmt: skip
_BAILING = Row(
    qkv_bias=("use_qkv_bias", "use_bias"), output_bias="use_bias", qk_norm="head", qk_norm_flag="use_qk_norm",
    attention="attention", names=("query_key_value", "dense"),
    mixture=Mixture(router_bias="moe_router_enable_expert_bias"),
)  # fmt: skip
_GRANITE_MOE = Row(mixture=GRANITE)
_INTERNLM2 = Row(
    attention="attention", names=("wqkv", "wo"), mlp="feed_forward", mlp_names=("w1", "w3", "w2")
)  # fmt: skip
_LAYER_NORM = Row(
    qkv_bias="attention_bias", output_bias="attention_bias", mlp_bias="mlp_bias", norms=4, final_norm=2
)  # fmt: skip
_EXAONE_MOE = _LLAMA._replace(qk_norm="head", mixture=_BIASED_ROUTER)
_GLM4_MOE = Row(
    qkv_bias="attention_bias", qk_norm="head", qk_norm_flag="use_qk_norm", mixture=_FLOAT32_ROUTER
)  # fmt: skip

ROWS: dict[str, Row] = {
    "LlamaForCausalLM": _LLAMA,
    "LLaMAForCausalLM": _LLAMA,
    "AquilaForCausalLM": _LLAMA,
    "XverseForCausalLM": _LLAMA,
    "TeleFLMForCausalLM": _LLAMA,
    "SolarForCausalLM": _LLAMA,
    "GraniteForCausalLM": _LLAMA,
    "SmolLM3ForCausalLM": _LLAMA._replace(tied=True),
    "CwmForCausalLM": _LLAMA,
    "TeleChat3ForCausalLM": _LLAMA,
    "IQuestCoderForCausalLM": _LLAMA._replace(kv_heads=8, head_dim=128),
    "InternLMForCausalLM": Row(qkv_bias="bias", output_bias="bias"),
    "InternLM3ForCausalLM": Row(qkv_bias="qkv_bias", output_bias="bias", mlp_bias="bias", head_dim=128),
    "InternLM2ForCausalLM": _INTERNLM2,
    "MistralForCausalLM": _MISTRAL,
    "Ministral3ForCausalLM": _MISTRAL._replace(window_default=None),
    "BaichuanForCausalLM": Row(names=("W_pack", "o_proj")),
    "BaiChuanForCausalLM": Row(names=("W_pack", "o_proj")),
    "Qwen2ForCausalLM": _QWEN2,
    "MiMoForCausalLM": _QWEN2,
    "Qwen3ForCausalLM": _QWEN3._replace(kv_heads=32),
    "SeedOssForCausalLM": Row(qkv_bias=True, head_dim=128),
    "Phi3ForCausalLM": _PHI3,
    "PhiForCausalLM": Row(
        qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=2, final_norm=2, lm_head_bias=True,
        names=("q_proj", "k_proj", "v_proj", "dense"), mlp_names=("fc1", "fc2"),
    ),
    "GemmaForCausalLM": _GEMMA,
    "Gemma2ForCausalLM": _GEMMA2,
    "VaultGemmaForCausalLM": _GEMMA2._replace(norms=2),
    "Gemma3ForCausalLM": _GEMMA3,
    "CohereForCausalLM": _COHERE,
    "Cohere2ForCausalLM": _COHERE._replace(full_every=4, window_default=4096),
    "GlmForCausalLM": Row(
        qkv_bias="attention_bias", head_dim=128, mlp_names=("gate_up_proj", "down_proj")
    ),
    "Glm4ForCausalLM": Row(
        qkv_bias="attention_bias", head_dim=128, norms=4, mlp_names=("gate_up_proj", "down_proj")
    ),
    "ChatGLMModel": _CHATGLM,
    "ChatGLMForConditionalGeneration": _CHATGLM,
    "NemotronForCausalLM": _LAYER_NORM._replace(gated=False, mlp_names=("up_proj", "down_proj")),
    "Jais2ForCausalLM": _LAYER_NORM._replace(gated=False, mlp_names=("up_proj", "down_proj")),
    "OrionForCausalLM": Row(norms=4, final_norm=2),
    "StableLmForCausalLM": Row(qkv_bias="use_qkv_bias", norms=4, final_norm=2),
    "StableLMEpochForCausalLM": Row(qkv_bias="use_qkv_bias", norms=4, final_norm=2),
    "Phi3SmallForCausalLM": Row(
        qkv_bias=True, output_bias=True, mlp_bias=True, norms=4, final_norm=2, tied=True,
        names=("query_key_value", "dense"), mlp_names=("up_proj", "down_proj"),
    ),
    "Starcoder2ForCausalLM": Row(
        qkv_bias="use_bias", output_bias="use_bias", mlp_bias="use_bias", gated=False, norms=4, final_norm=2, tied=True,
        mlp_names=("c_fc", "c_proj"),
    ),
    "ExaoneForCausalLM": Row(
        attention="attn.attention", names=("q_proj", "k_proj", "v_proj", "out_proj"),
        mlp_names=("c_fc_0", "c_fc_1", "c_proj"),
    ),
    "Exaone4ForCausalLM": _LLAMA._replace(qk_norm="head"),
    "OlmoForCausalLM": _LLAMA._replace(norms=0, final_norm=0, mlp_bias=False),
    "Olmo2ForCausalLM": Row(qk_norm="whole"),
    "Olmo3ForCausalLM": Row(qk_norm="whole", full_every=4, window_default=4096),
    "ArceeForCausalLM": _LLAMA._replace(gated=False, mlp_names=("up_proj", "down_proj")),
    "MiniCPMForCausalLM": Row(tied=True),
    "HunYuanDenseV1ForCausalLM": Row(qkv_bias="attention_bias", output_bias="attention_bias", qk_norm="head"),
    "Ernie4_5ForCausalLM": Row(qkv_bias=_BIAS, mlp_bias="mlp_bias", tied=True),
    "OPTForCausalLM": Row(
        qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=4, final_norm=2, tied=True,
        learned_positions=2, names=("q_proj", "k_proj", "v_proj", "out_proj"), mlp="", mlp_names=("fc1", "fc2"),
    ),
    "GPT2LMHeadModel": _GPT2,
    "GPTBigCodeForCausalLM": _GPT2._replace(kv_heads=1, mlp_whole_since=(0, 14)),  # through transformers since then
    "GPTJForCausalLM": Row(
        mlp_bias=True, gated=False, norms=2, final_norm=2, expansion=4, lm_head_bias=True, attention="attn",
        names=("q_proj", "k_proj", "v_proj", "out_proj"), mlp_names=("fc_in", "fc_out"),
    ),
    "GPTNeoXForCausalLM": Row(
        qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=4, final_norm=2, attention="attention",
        names=("query_key_value", "dense"), mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
    ),
    "BloomForCausalLM": Row(
        qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=4, final_norm=2, tied=True, expansion=4,
        embedding_norm=2, rotary=False, attention="self_attention", names=("query_key_value", "dense"),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
    ),
    "MixtralForCausalLM": Row(kv_heads=8, mixture=MIXTRAL),
    "PhiMoEForCausalLM": Row(
        qkv_bias="attention_bias", output_bias="attention_bias", norms=4, final_norm=2, lm_head_bias=True,
        mixture=MIXTRAL,
    ),
    "Qwen2MoeForCausalLM": _QWEN2._replace(mixture=QWEN),
    "Qwen3MoeForCausalLM": _QWEN3._replace(kv_heads=4, mixture=Mixture()),
    "OlmoeForCausalLM": Row(qk_norm="whole", mixture=Mixture()),
    "FlexOlmoForCausalLM": Row(qk_norm="whole", mixture=Mixture()),
    "DeepseekForCausalLM": Row(mixture=Mixture()),
    "Dots1ForCausalLM": Row(qkv_bias="attention_bias", qk_norm="head", mixture=_BIASED_ROUTER),
    "GraniteMoeForCausalLM": _GRANITE_MOE,
    "GraniteMoeSharedForCausalLM": _GRANITE_MOE,
    "Glm4MoeForCausalLM": _GLM4_MOE,
    "Ernie4_5_MoeForCausalLM": Row(
        qkv_bias="use_bias", mlp_bias="use_bias", tied=True, mixture=_FLOAT32_ROUTER
    ),
    "BailingMoeForCausalLM": _BAILING,
    "BailingMoeV2ForCausalLM": _BAILING,
    "MiniMaxM2ForCausalLM": Row(
        qkv_bias="attention_bias", qk_norm="full",
        mixture=MIXTRAL._replace(router_bias="use_routing_bias", router_float32=True),
    ),
    "AfmoeForCausalLM": Row(gate="elements", qk_norm="head", norms=4, mixture=_FLOAT32_ROUTER),
    "ExaoneMoeForCausalLM": _EXAONE_MOE,
    "ExaoneMoEForCausalLM": _EXAONE_MOE,
    "GptOssForCausalLM": Row(
        qkv_bias=True, output_bias=True, sinks=True, windows="alternate", window_default=128,
        mixture=Mixture(router="router", router_bias=True, bias=True, names=("gate_up_proj", "down_proj")),
    ),
    "Llama4ForCausalLM": Row(
        qkv_bias="attention_bias", output_bias="attention_bias", mlp="feed_forward",
        mixture=Mixture(
            module="feed_forward", router="router", shared_module="feed_forward.shared_expert",
            names=("gate_up_proj", "down_proj"), shared=1,
        ),
    ),
}  # fmt: skip
