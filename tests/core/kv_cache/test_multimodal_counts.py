"""Models with encoders as they are published: the Hub's count of parameters is ours, but for what vLLM adds or leaves.

The configs are the public ones', of which only what decides a shape is here.
"""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, parameter_count, rank_tensors
from infercli.core.engines import find_engine
from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import read_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import GPUS
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.memory.batch import Batch
from infercli.core.memory.vision import ANYTHING, as_loaded, kept_by_encoder
from infercli.core.units import GIB
from infercli.errors import Unsupported


def gemma3n(layers: int, shared: int, wide: int) -> dict:
    return {
        "architectures": ["Gemma3nForConditionalGeneration"], "model_type": "gemma3n",
        "vision_config": {"architecture": "mobilenetv5_300m_enc", "hidden_size": 2048, "vocab_size": 128},
        "audio_config": {"hidden_size": 1536, "vocab_size": 128}, "text_config": {
            "model_type": "gemma3n_text", "hidden_size": 2048, "intermediate_size": [wide] * layers,
            "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256,
            "vocab_size": 262400, "vocab_size_per_layer_input": 262144, "hidden_size_per_layer_input": 256,
            "laurel_rank": 64, "altup_num_inputs": 4, "num_kv_shared_layers": shared, "sliding_window": 512,
            "max_position_embeddings": 32768,
        },
    }  # fmt: skip


WHISPER = {
    "architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "torch_dtype": "float16",
    "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120,
    "decoder_layers": 32, "decoder_attention_heads": 20, "decoder_ffn_dim": 5120, "vocab_size": 51866,
    "num_mel_bins": 128, "max_source_positions": 1500, "max_target_positions": 448,
}  # fmt: skip

MLLAMA = {
    "architectures": ["MllamaForConditionalGeneration"], "model_type": "mllama", "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "mllama_text_model", "vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
        "max_position_embeddings": 131072, "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
    },
    "vision_config": {
        "model_type": "mllama_vision_model", "hidden_size": 1280, "intermediate_size": 5120, "attention_heads": 16,
        "num_hidden_layers": 32, "num_global_layers": 8, "image_size": 560, "patch_size": 14, "max_num_tiles": 4,
        "vision_output_dim": 7680, "supported_aspect_ratios": [[1, 1]] * 8,
    },
}  # fmt: skip

PERSIMMON = {
    "vocab_size": 262144, "hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 36,
    "num_attention_heads": 64, "max_position_embeddings": 16384, "qk_layernorm": True,
}  # fmt: skip
FUYU = {"architectures": ["FuyuForCausalLM"], "model_type": "fuyu", "patch_size": 30, "num_channels": 3, **PERSIMMON}

PUBLISHED = {
    "adept/fuyu-8b": (FUYU | {"text_config": PERSIMMON | {"model_type": "persimmon"}}, 9_408_238_592, 0),
    "google/gemma-3n-E4B-it": (gemma3n(35, 15, 16384), 7_849_978_192, 0),
    "google/gemma-3n-E2B-it": (gemma3n(30, 10, 8192), 5_439_438_272, 0),
    "meta-llama/Llama-3.2-11B-Vision-Instruct": (MLLAMA, 10_670_220_835, 0),
    # A bias on the keys of each attention: 32 of the encoder, two of each layer of the decoder.
    "openai/whisper-large-v3": (WHISPER, 1_543_490_560, (32 + 64) * 1280),
    "openai/whisper-large-v3-turbo": (WHISPER | {"decoder_layers": 4}, 808_878_080, (32 + 8) * 1280),
}
"""Model -> config, the Hub's count, and what vLLM holds besides."""


ARIA = {
    "architectures": ["AriaForConditionalGeneration"],
    "text_config": {
        "model_type": "aria_text",
        "hidden_size": 2560,
        "num_hidden_layers": 28,
        "num_attention_heads": 20,
        "num_key_value_heads": 20,
        "vocab_size": 100352,
        "intermediate_size": 1664,
        "moe_num_experts": 64,
        "moe_topk": 6,
        "moe_num_shared_experts": 2,
        "max_position_embeddings": 65536,
    },
    "vision_config": {
        "model_type": "idefics3_vision",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 980,
        "patch_size": 14,
    },
    "projector_patch_to_query_dict": {"1225": 128, "4900": 256},
}
ERNIE_VL = {
    "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
    "hidden_size": 2560,
    "num_hidden_layers": 28,
    "num_attention_heads": 20,
    "num_key_value_heads": 4,
    "vocab_size": 103424,
    "intermediate_size": 12288,
    "moe_num_experts": [64, 64],
    "moe_k": 6,
    "moe_intermediate_size": [1536, 512],
    "moe_num_shared_experts": 2,
    "moe_layer_start_index": [1, 1],
    "moe_layer_end_index": [29, 28],
    "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
    "pixel_hidden_size": 1280,
    "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1280, "mlp_ratio": 4, "num_heads": 16},
}
NVLM = {
    "architectures": ["NVLM_D"],
    "llm_config": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 8192,
        "intermediate_size": 29568,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 152064,
        "max_position_embeddings": 131072,
    },
    "vision_config": {
        "hidden_size": 3200,
        "intermediate_size": 12800,
        "num_hidden_layers": 45,
        "num_attention_heads": 25,
        "image_size": 448,
        "patch_size": 14,
        "qkv_bias": False,
        "qk_normalization": True,
        "norm_type": "rms_norm",
    },
}

CHAMELEON = {
    "architectures": ["ChameleonForConditionalGeneration"], "model_type": "chameleon", "hidden_size": 4096,
    "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "vocab_size": 65536, "max_position_embeddings": 4096, "vq_config": {},
}  # fmt: skip

ROUNDED = {
    "rhymes-ai/Aria": (ARIA, 25.3),
    "baidu/ERNIE-4.5-VL-28B-A3B-PT": (ERNIE_VL, 29.4),
    "nvidia/NVLM-D-72B": (NVLM, 79.4),
    "facebook/chameleon-7b": (CHAMELEON, 7.0),
}
"""Model -> config, and the billions of parameters that its card names."""


@pytest.mark.parametrize("name", ROUNDED)
def test_a_published_model_has_the_billions_of_its_card(name):
    config, billions = ROUNDED[name]
    assert round(parameter_count(architecture.parse(config)) / 1e9, 1) == billions


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_has_as_many_parameters_as_its_files(name):
    config, published, added = PUBLISHED[name]
    assert parameter_count(architecture.parse(config)) == published + added


def test_another_encoder_of_timms_is_refused():
    config = gemma3n(5, 0, 8192)
    config["vision_config"]["architecture"] = "resnet50"
    with pytest.raises(Unsupported, match="resnet50"):
        architecture.parse(config)


def test_whispers_embedding_is_whole_on_every_rank():
    arch = architecture.parse(WHISPER)
    held = [
        sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout(tensor_parallel_size=n))
            if t.role == "embedding")
        for n in (1, 4)
    ]  # fmt: skip
    assert held == [51866 * 1280] * 2


def test_a_request_of_whispers_holds_its_encoders_1500_tokens():
    settings = CacheSettings(engine_version="0.29.0", dtype="float16", max_num_batched_tokens=8192)
    layout = cache_layout(architecture.parse(WHISPER), Layout(), settings)
    assert layout is not None
    # A block is 16 tokens of 32 layers: 2 x 20 x 64 x 2 bytes each. 448 tokens are 28 blocks, 1,500 are 94.
    assert layout.bytes_per_block == 16 * 32 * 2 * 20 * 64 * 2
    assert layout.blocks_per_request(448) == 28 + 512  # vLLM charges 8,192 tokens of the encoder
    blocks = 1 + 28 + 512 + 9 * (28 + 94)
    assert layout.requests_held(blocks, 448) == 10


def test_whisper_is_charged_by_the_rules_of_its_version():
    def charged(version: str) -> int:
        settings = CacheSettings(engine_version=version, dtype="float16", max_num_batched_tokens=8192)
        layout = cache_layout(architecture.parse(WHISPER), Layout(), settings)
        assert layout is not None
        return layout.blocks_per_request(448)

    assert [charged(v) for v in ("0.10.0", "0.11.0", "0.12.0", "0.13.0")] == [28, 28 + 94, 28 + 94, 28 + 512]


def test_llama_3_2_vision_holds_a_page_of_every_layer_for_text_and_for_the_image():
    # vLLM 0.6.2 (vllm-project/vllm#8879): "Loading model weights took 19.9073 GB", with the RoPE table
    arch = architecture.parse(MLLAMA)
    held = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout()))
    table = arch.rope_positions * arch.rope_width
    assert 2 * (held + table) / GIB == pytest.approx(19.9073, abs=0.001)
    assert arch.confirmed
    for version in ("0.8.5", "0.10.2"):
        layout = cache_layout(arch, Layout(), CacheSettings(engine_version=version, dtype="bfloat16"))
        assert layout is not None
        # 40 layers of 8 KV heads; 8,192 tokens are 512 blocks, and the 4 x 1,601 of the image 401 that V0 leaves out
        assert layout.bytes_per_block == 16 * 40 * 2 * 8 * 128 * 2
        assert layout.bytes_to_admit(8192) == 512 * layout.bytes_per_block
        assert layout.requests_held(512 + 3 * 913, 8192) == 4
        assert layout.capacity(100 * layout.bytes_per_block, 8192).tokens == 1600


def test_an_image_of_gemma_3n_is_256_tokens():
    arch = architecture.parse(gemma3n(35, 15, 16384))
    batch = Batch(
        layout=Layout(), gpu=GPUS["H100"], max_num_seqs=256, max_num_batched_tokens=8192, max_model_len=32768,
        element_bytes=2,
    )  # fmt: skip
    found = kept_by_encoder(arch, batch, find_engine("0.29.0"))
    assert found.typical == 8192 * 2048 * 2 + 32 * 3 * 768 * 768 * 2


def test_gemma_3n_keeps_an_embedding_of_each_layer_for_every_token_of_a_batch():
    config = gemma3n(35, 15, 16384)
    text = config["text_config"] | {"architectures": ["Gemma3nForCausalLM"]}

    def activation(asked: dict, tokens: int) -> float:
        request = EstimateRequest(
            model="m", gpu="H100", engine_version="0.29.0", max_model_len=4096, max_num_batched_tokens=tokens,
            language_model_only=True,
        )  # fmt: skip
        answer = estimate(request, read_model("m", asked))
        assert isinstance(answer, Estimate)
        return next(term.bytes for term in answer.memory.terms if term.name == "activation")

    for tokens in (4096, 16384):
        assert activation(config, tokens) - activation(text, tokens) == 35 * 256 * 2 * tokens


def test_gemma_3n_has_no_encoders_before_the_release_that_loads_them():
    arch = architecture.parse(gemma3n(35, 15, 16384))
    assert [bool(as_loaded(arch, ANYTHING, release).encoders) for release in ((0, 9), (0, 10), (0, 29))] == [
        False,
        True,
        True,
    ]
