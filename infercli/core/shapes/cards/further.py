"""Further models of general knowledge: smaller and older ones of families that are shipped, and InternVL by size."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import STARCODER, bloom, decoder, gpt2, gpt_neox
from infercli.core.shapes.cards.multimodal import VIT_6B, VIT_300M, internvl, whisper


def _internvl3_5(vision: Json, *numbers: int) -> Json:
    return internvl(vision, "Qwen3ForCausalLM", *numbers, 151936, 40960, head_dim=128)


_INTERNVL3_5_MOE: Json = {
    "num_experts": 128, "num_experts_per_tok": 8, "head_dim": 128, "rope_scaling": None, "tie_word_embeddings": False,
}  # fmt: skip
_GLM_VISION: Json = {
    "attention_bias": False, "depth": 24, "hidden_size": 1536, "image_size": 336, "in_channels": 3, "num_heads": 12,
    "out_hidden_size": 4096, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_SECTIONS: Json = {"rope_type": "default", "mrope_section": [8, 12, 12]}


def _glm_v(name: str, intermediate: int, **text: Json) -> Json:
    common = {
        "hidden_size": 4096, "vocab_size": 151552, "max_position_embeddings": 131072, "attention_bias": True,
        "partial_rotary_factor": 0.5, "rope_scaling": _SECTIONS,
    }  # fmt: skip
    return {
        "architectures": [name], "torch_dtype": "bfloat16", "tie_word_embeddings": False, "text_config": common | text,
        "vision_config": _GLM_VISION | {"intermediate_size": intermediate},
    }  # fmt: skip


# ids, config, parameters: exactly, or in billions where they are known to a tenth of one
FURTHER: tuple[tuple[tuple[str, ...], Json, float], ...] = (
    (("distilbert/distilgpt2", "distilgpt2"), gpt2(6, 768, 12), 81_912_576),
    (("EleutherAI/pythia-70m", "EleutherAI/pythia-70m-deduped"), gpt_neox(6, 512, 8, 50304), 70_426_624),
    (("EleutherAI/pythia-160m", "EleutherAI/pythia-160m-deduped"), gpt_neox(12, 768, 12, 50304), 162_322_944),
    (("EleutherAI/pythia-410m", "EleutherAI/pythia-410m-deduped"), gpt_neox(24, 1024, 16, 50304), 405_334_016),
    (("EleutherAI/pythia-1b", "EleutherAI/pythia-1b-deduped"), gpt_neox(16, 2048, 8, 50304), 1_011_781_632),
    (("bigscience/bloom-1b1", "bigscience/bloomz-1b1"), bloom(24, 1536, 16), 1_065_314_304),
    (("bigscience/bloom-1b7", "bigscience/bloomz-1b7"), bloom(24, 2048, 16), 1_722_408_960),
    (("bigcode/starcoderbase-1b",),
     STARCODER | {"n_layer": 24, "n_embd": 2048, "n_head": 16, "n_inner": 8192}, 1_137_207_296),
    (("EleutherAI/polyglot-ko-1.3b",), gpt_neox(24, 2048, 16, 30080), 1_331_810_304),
    (("EleutherAI/polyglot-ko-5.8b",), gpt_neox(28, 4096, 16, 30080), 5_885_059_072),
    (("stabilityai/stablelm-2-1_6b", "stabilityai/stablelm-2-zephyr-1_6b"),
     decoder("StableLmForCausalLM", 24, 2048, 32, 32, 5632, 100352, 4096, use_qkv_bias=True,
             partial_rotary_factor=0.25), 1_644_515_328),
    (("stabilityai/stablelm-3b-4e1t", "stabilityai/stablelm-zephyr-3b"),
     decoder("StableLmForCausalLM", 32, 2560, 32, 32, 6912, 50304, 4096, partial_rotary_factor=0.25), 2_795_443_200),
    (("stabilityai/stable-code-3b",),
     decoder("StableLmForCausalLM", 32, 2560, 32, 32, 6912, 50304, 16384, partial_rotary_factor=0.25), 2_795_443_200),
    (("allenai/OLMo-1B-hf",),
     decoder("OlmoForCausalLM", 16, 2048, 16, 16, 8192, 50304, 2048, tie_word_embeddings=True), 1_176_764_416),
    (("allenai/OLMo-7B-hf",), decoder("OlmoForCausalLM", 32, 4096, 32, 32, 11008, 50304, 2048), 6_888_095_744),
    (("allenai/OLMo-2-0425-1B", "allenai/OLMo-2-0425-1B-Instruct"),
     decoder("Olmo2ForCausalLM", 16, 2048, 16, 16, 8192, 100352, 4096), 1_484_916_736),
    (("tiiuae/falcon-rw-1b",),
     {"architectures": ["FalconForCausalLM"], "num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 32,
      "vocab_size": 50304, "alibi": True, "multi_query": False, "parallel_attn": False, "bias": True,
      "new_decoder_architecture": False, "max_position_embeddings": 2048, "torch_dtype": "bfloat16"}, 1_311_625_216),
    (("internlm/internlm2-1_8b", "internlm/internlm2-chat-1_8b"),
     decoder("InternLM2ForCausalLM", 24, 2048, 16, 8, 8192, 92544, 32768), 1_889_110_016),
    (("internlm/internlm2-20b", "internlm/internlm2-chat-20b"),
     decoder("InternLM2ForCausalLM", 48, 6144, 48, 8, 16384, 92544, 32768), 19_861_149_696),
    (("LGAI-EXAONE/EXAONE-3.0-7.8B-Instruct",),
     {"architectures": ["ExaoneForCausalLM"], "num_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
      "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 102400, "max_position_embeddings": 4096,
      "tie_word_embeddings": False, "torch_dtype": "float32"}, 7_818_448_896),
    (("openai/whisper-tiny",), whisper(4, 4, 384, 6, 51865, 80), 37_760_640),
    (("openai/whisper-tiny.en",), whisper(4, 4, 384, 6, 51864, 80), 37_760_256),
    (("openai/whisper-base",), whisper(6, 6, 512, 8, 51865, 80), 72_593_920),
    (("openai/whisper-base.en",), whisper(6, 6, 512, 8, 51864, 80), 72_593_408),
    (("openai/whisper-small.en",), whisper(12, 12, 768, 12, 51864, 80), 241_734_144),
    (("openai/whisper-medium.en",), whisper(24, 24, 1024, 16, 51864, 80), 763_856_896),
    (("distil-whisper/distil-large-v2",), whisper(32, 2, 1280, 20, 51865, 80), 0.8),
    (("distil-whisper/distil-large-v3", "distil-whisper/distil-large-v3.5"), whisper(32, 2, 1280, 20, 51866, 128), 0.8),
    (("OpenGVLab/InternVL2_5-1B",), internvl(VIT_300M, "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151674, 32768), 0.9),
    (("OpenGVLab/InternVL2-2B", "OpenGVLab/InternVL2_5-2B"),
     internvl(VIT_300M, "InternLM2ForCausalLM", 24, 2048, 16, 8, 8192, 92553, 32768), 2.2),
    (("OpenGVLab/InternVL2_5-4B",),
     internvl(VIT_300M, "Qwen2ForCausalLM", 36, 2048, 16, 2, 11008, 151674, 32768), 3.7),
    (("OpenGVLab/InternVL2-26B", "OpenGVLab/InternVL2_5-26B"),
     internvl(VIT_6B, "InternLM2ForCausalLM", 48, 6144, 48, 8, 16384, 92553, 32768), 25.5),
    (("OpenGVLab/InternVL3-14B",),
     internvl(VIT_300M, "Qwen2ForCausalLM", 48, 5120, 40, 8, 13824, 151674, 32768), 15.1),
    (("OpenGVLab/InternVL3_5-1B",), _internvl3_5(VIT_300M, 28, 1024, 16, 8, 3072), 1.1),
    (("OpenGVLab/InternVL3_5-2B",), _internvl3_5(VIT_300M, 28, 2048, 16, 8, 6144), 2.3),
    (("OpenGVLab/InternVL3_5-4B",), _internvl3_5(VIT_300M, 36, 2560, 32, 8, 9728), 4.7),
    (("OpenGVLab/InternVL3_5-14B",), _internvl3_5(VIT_300M, 40, 5120, 40, 8, 17408), 15.1),
    (("OpenGVLab/InternVL3_5-30B-A3B",),
     internvl(VIT_300M, "Qwen3MoeForCausalLM", 48, 2048, 32, 4, 6144, 151936, 40960, moe_intermediate_size=768,
              **_INTERNVL3_5_MOE), 30.8),
    (("OpenGVLab/InternVL3_5-241B-A28B",),
     internvl(VIT_6B, "Qwen3MoeForCausalLM", 94, 4096, 64, 4, 12288, 151936, 40960, moe_intermediate_size=1536,
              **_INTERNVL3_5_MOE), 240.7),
    (("zai-org/GLM-4.6V",),
     _glm_v("Glm4vMoeForConditionalGeneration", 10944, num_hidden_layers=46, num_attention_heads=96,
            num_key_value_heads=8, head_dim=128, intermediate_size=10944, moe_intermediate_size=1408,
            n_routed_experts=128, n_shared_experts=1, num_experts_per_tok=8, first_k_dense_replace=1,
            use_qk_norm=False), 107.7),
    (("zai-org/GLM-4.6V-Flash",),
     _glm_v("Glm4vForConditionalGeneration", 13696, num_hidden_layers=40, num_attention_heads=32,
            num_key_value_heads=2, intermediate_size=13696), 10.3),
)  # fmt: skip
