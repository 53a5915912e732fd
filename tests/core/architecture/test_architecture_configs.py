"""Public config.json files, parsed: each counts the parameters that its name or its publisher says.

The files are not in the repository: INFERCLI_TRUTH names the folder that has them in configs/.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture import as_pooling
from infercli.core.architecture.arch import (
    Layout,
    draft_tensors,
    parameter_count,
    rank_tensors,
    stage_layers,
    stage_tensors,
)  # fmt: skip
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.wrappers import WRAPPERS
from infercli.core.quantization.checkpoint import detect_in
from infercli.core.quantization.schemes import schemes_of
from infercli.core.shapes import find_shape
from infercli.core.shapes.cards import CARDS, EMBEDDERS
from infercli.core.shapes.copies import COPIES
from infercli.core.shapes.facts import FACTS
from infercli.core.shapes.quantized import QUANTIZED
from infercli.errors import InferError, Unsupported
from tests.core.architecture.active import active_parameters
from tests.parts.require import require

# Billions, by the Hub's own count of the safetensors; the last decimal is rounded.
HUB = {
    "Qwen/Qwen3-VL-30B-A3B-Instruct": 31.071,
    "deepseek-ai/DeepSeek-R1": 671.026,  # without its draft layer, which the Hub counts to 684.5
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": 401.584,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 108.642,
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 31.578,
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": 49.867,
    "openai/gpt-oss-120b": 116.829,
    "openai/gpt-oss-20b": 20.915,
}
LOOSE = {
    # Names that round far: 7.6, 31.6, 4.4, 2.1 billion.
    "XiaomiMiMo/MiMo-7B-Base": 0.1, "Qwen/Qwen3-VL-4B-Instruct": 0.12, "Qwen/Qwen3-VL-2B-Instruct": 0.07,
}  # fmt: skip


def configs() -> dict[str, dict]:
    folder = os.environ.get("INFERCLI_TRUTH")
    missing = "INFERCLI_TRUTH is not set: the folder with the config.json files" if not folder else None
    require("truth", missing)
    paths = sorted(p for p in Path(folder or "", "configs").glob("*_config.json") if "hf_quant" not in p.name)
    assert len(paths) > 60
    return {p.name.removesuffix("_config.json").replace("--", "/", 1): json.loads(p.read_text()) for p in paths}


def test_every_public_config_counts_as_many_parameters_as_its_name_says():
    compared = 0
    for model_id, config in configs().items():
        arch = architecture.parse(config)
        billions = parameter_count(arch) / 1e9
        if model_id in HUB:
            assert billions == pytest.approx(HUB[model_id], abs=6e-4), model_id
            compared += 1
        named = re.search(r"-(\d+(?:\.\d+)?)B\b", model_id)
        if named and "17B" not in model_id:  # Llama 4 names what is active
            assert billions == pytest.approx(float(named[1]), rel=LOOSE.get(model_id, 0.06)), model_id
            compared += 1
        active = re.search(r"-A(\d+)B\b", model_id)
        if active:
            # Names leave out embeddings, lm_head and encoders, at most a billion and a half of these.
            assert -0.1 <= active_parameters(arch) / 1e9 - int(active[1]) < 1.5, model_id
            compared += 1
    print(f"\n{compared} counts of public models compared")
    assert compared > 50


def test_a_shipped_row_of_facts_is_its_config_file():
    found = configs()
    for ids, facts, _, file in FACTS:
        whole = found[file.removesuffix("_config.json").replace("--", "/", 1)]
        assert architecture.parse(facts) == architecture.parse(whole), ids


def test_a_shipped_quantized_row_stores_every_tensor_as_its_files_say():
    found = configs()
    for model_id, base, _, file in QUANTIZED:
        whole = found[model_id]
        beside = Path(os.environ["INFERCLI_TRUTH"], "configs", f"{model_id.replace('/', '--')}_hf_quant_config.json")
        said = detect_in(whole, json.loads(beside.read_text()) if beside.is_file() else None)
        shape = find_shape(model_id)
        assert shape.arch == find_shape(base).arch == replace(architecture.parse(whole), dtype=shape.arch.dtype), file
        assert (shape.quantization.kv_cache_fp8, shape.quantization.unstated) == (said.kv_cache_fp8, said.unstated)
        quantizable = [t for t in rank_tensors(shape.arch, Layout()) if t.linear or t.role == "lm_head"]
        for tensor in (t for t in quantizable if t.role != "encoder"):
            here, there = (
                schemes_of(q, tensor.modules, tensor.indices, head=tensor.role == "lm_head")
                for q in (shape.quantization, said)
            )
            assert here == there, (model_id, tensor)


def _pooler(hidden: int) -> int:
    return hidden * (hidden + 1)


_CLIP_LAYER = 12 * 1024**2 + 13 * 1024 + 2 * 1024
"""The last of them, and the norm behind it: images are taken from the layer before."""

_SIGLIP_LAYER = 4 * 1152 * 1153 + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152
_SIGLIP_HEAD = 1152 + 4 * 1152 * 1153 + 2 * 1152 + 2 * 1152 * 4304 + 4304 + 1152 + 2 * 1152
"""One vector that asks, attention, a norm, a feed-forward, and the norm before."""
_LORA_OF_A_RANK = 32 * ((3072 + 5120) + (3072 + 3072) + (3072 + 16384) + (8192 + 3072))

LEFT_OUT = {
    # A pooler, where a model gives embeddings.
    "BAAI/bge-small-en-v1.5": _pooler(384), "BAAI/bge-base-en-v1.5": _pooler(768),
    "BAAI/bge-large-en-v1.5": _pooler(1024), "BAAI/bge-m3": _pooler(1024),
    "sentence-transformers/all-MiniLM-L6-v2": _pooler(384), "sentence-transformers/all-MiniLM-L12-v2": _pooler(384),
    "intfloat/multilingual-e5-base": _pooler(768), "intfloat/multilingual-e5-large": _pooler(1024),
    "intfloat/multilingual-e5-small": _pooler(384), "Snowflake/snowflake-arctic-embed-xs": _pooler(384),
    "sentence-transformers/paraphrase-MiniLM-L6-v2": _pooler(384),
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": _pooler(384),
    "sentence-transformers/paraphrase-multilingual-mpnet-base-v2": _pooler(768),
    "BAAI/bge-small-zh-v1.5": _pooler(512), "BAAI/bge-base-zh-v1.5": _pooler(768),
    "BAAI/bge-large-zh-v1.5": _pooler(1024), "Alibaba-NLP/gte-multilingual-base": 768 + 1,
    "Alibaba-NLP/gte-Qwen2-1.5B-instruct": 151646 * 1536, "Alibaba-NLP/gte-Qwen2-7B-instruct": 151646 * 3584,
    # The frequencies of the rotary embedding.
    "THUDM/glm-4-9b-chat": 32, "THUDM/chatglm3-6b": 32,
    "llava-hf/llava-1.5-7b-hf": _CLIP_LAYER, "llava-hf/llava-v1.6-mistral-7b-hf": _CLIP_LAYER,
    "openbmb/MiniCPM-V-2_6": _SIGLIP_LAYER,
    "microsoft/Phi-4-multimodal-instruct": (256 + 320) * _LORA_OF_A_RANK + _SIGLIP_LAYER + _SIGLIP_HEAD,
    # The layer that drafts, less the rows to which vLLM pads 98 projections of hyper-connections.
    "Qwen/Qwen3.8-Flash-Next": 2_607_396_608 - 98 * 12 * 4 * 2560,
    # Below zero: what vLLM holds beyond them. Zeros for the biases of the keys of all attentions; a second table.
    "openai/whisper-large-v3": -96 * 1280, "openai/whisper-large-v3-turbo": -40 * 1280,
    "openai/whisper-large-v2": -96 * 1280, "openai/whisper-medium": -72 * 1024, "openai/whisper-small": -36 * 768,
    # Adapters of rank 4 for five tasks, on every linear layer and both tables, and a pooler that has one as well.
    "jinaai/jina-embeddings-v3": _pooler(1024) + 4 * 5 * (
        24 * (4096 + 2048 + 5120 + 5120) + 250002 + 1024 + 1 + 1024 + 2048
    ),
    **{f"openai/whisper-tiny{en}": -12 * 384 for en in ("", ".en")},
    **{f"openai/whisper-base{en}": -18 * 512 for en in ("", ".en")},
    "openai/whisper-small.en": -36 * 768, "openai/whisper-medium.en": -72 * 1024,
    "microsoft/Phi-3-vision-128k-instruct": _CLIP_LAYER - 32064 * 3072,
}  # fmt: skip
"""Parameters of a checkpoint that vLLM does not load."""


@pytest.mark.parametrize(("ids", "facts", "parameters"), [*CARDS, *EMBEDDERS], ids=lambda v: str(v)[:40])
def test_a_card_has_as_many_parameters_as_the_hub_counts(ids, facts, parameters):
    count = parameter_count(find_shape(ids[0]).arch) + LEFT_OUT.get(ids[0], 0)
    assert parameters == (round(count / 1e9, 1) if isinstance(parameters, float) else count)
    for model_id in ids:
        shape = find_shape(model_id)
        assert isinstance(parameters, float) or shape.parameters == parameters
        assert shape.arch.confirmed
        parsed = replace(architecture.parse(facts), confirmed=True, max_model_len=shape.arch.max_model_len)
        assert shape.arch in (parsed, as_pooling(parsed))


@pytest.mark.parametrize(("ids", "facts"), [row[:2] for row in (*FACTS, *COPIES)], ids=lambda v: str(v)[:40])
def test_ranks_hold_every_element_at_least_once_and_stages_share_the_layers(ids, facts):
    arch = architecture.parse(facts)
    whole = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout()))
    for layout in (Layout(tensor_parallel_size=4), Layout(data_parallel_size=2, expert_parallel=True)):
        ranks = layout.tensor_parallel_size * layout.data_parallel_size
        one = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, layout))
        assert whole <= ranks * one
        assert one <= whole
    staged = Layout(pipeline_parallel_size=3)
    assert [i for s in range(3) for i in stage_layers(arch, staged, s)] == list(range(arch.layer_count))
    together = sum(t.copies * t.outputs * t.inputs for s in range(3) for t in stage_tensors(arch, staged, s))
    # A tied embedding stands on the first and on the last stage.
    assert together == whole + (arch.padded_vocab * arch.hidden if arch.tied else 0)


def test_the_stages_before_the_last_take_what_does_not_divide():
    # vLLM distributed/utils.py get_pp_indices: 61 layers on 4 stages are 15, 15, 16, 15.
    arch = next(architecture.parse(row[1]) for row in FACTS if "deepseek-ai/DeepSeek-V3" in row[0])
    sizes = [len(stage_layers(arch, Layout(pipeline_parallel_size=4), s)) for s in range(4)]
    assert sizes == [15, 15, 16, 15]


DEEPSEEK = next(row[1] for row in FACTS if "deepseek-ai/DeepSeek-V3" in row[0])


def test_latent_attention_is_cut_by_heads_and_its_latent_vectors_are_whole():
    tensors = {t.name: t for t in rank_tensors(architecture.parse(DEEPSEEK), Layout(tensor_parallel_size=8))}
    # 1536 for queries, 512 + 64 for keys and values, on every rank; 128 heads / 8 = 16 of 128 + 64, and 128 + 128
    assert (tensors["latent down"].outputs, tensors["latent down"].inputs) == (1536 + 512 + 64, 7168)
    assert (tensors["query up"].outputs, tensors["query up"].inputs) == (16 * 192, 1536)
    assert (tensors["key-value up"].outputs, tensors["key-value up"].inputs) == (16 * 256, 512)
    assert (tensors["attention output"].outputs, tensors["attention output"].inputs) == (7168, 16 * 128)
    assert tensors["router"].outputs == 256  # whole
    assert tensors["shared gate-up"].outputs == 2 * 2048 // 8
    assert tensors["expert down"].inputs == 2048 // 8


def test_experts_are_dealt_out_whole_where_asked_over_data_parallel_ranks_too():
    arch = architecture.parse(DEEPSEEK)
    layout = Layout(tensor_parallel_size=2, data_parallel_size=8, expert_parallel=True)
    tensors = {t.name: t for t in rank_tensors(arch, layout)}
    assert tensors["expert gate-up"].outputs == 256 // 16 * 2 * 2048
    assert tensors["expert down"].inputs == 2048
    cut = {t.name: t for t in rank_tensors(arch, Layout(tensor_parallel_size=2, data_parallel_size=8))}
    assert (cut["expert gate-up"].outputs, cut["expert down"].inputs) == (256 * 2 * 2048 // 16, 2048 // 16)


def test_a_state_space_layer_by_hand():
    # Nemotron-3-Nano: 64 heads x 64 = 4096 inside, 8 groups x 128 states, on 2 ranks
    facts = next(row[1] for row in FACTS if "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16" in row[0])
    arch = architecture.parse(facts)
    tensors = {t.name: t for t in rank_tensors(arch, Layout(tensor_parallel_size=2))}
    assert tensors["state-space input"].outputs == 2 * 2048 + 2 * 4 * 128 + 32
    assert (tensors["convolution"].outputs, tensors["convolution"].inputs) == (2048 + 2 * 4 * 128, 4 + 1)
    assert tensors["state-space output"].inputs == 2048
    assert tensors["state-space input"].copies == 23


OLDER = {
    # tiiuae/falcon-7b: 65024 x 4544 + 32 x ((71 + 2) x 64 x 4544 + 4544^2 + 8 x 4544^2 + 2 x 4544) + 2 x 4544
    "falcon-7b": (
        {"architectures": ["FalconForCausalLM"], "hidden_size": 4544, "num_hidden_layers": 32,
         "num_attention_heads": 71, "vocab_size": 65024, "multi_query": True, "parallel_attn": True, "bias": False,
         "new_decoder_architecture": False},
        6_921_720_704,
    ),
    # databricks/dbrx-base is 131,596,523,520 by the Hub's count
    "dbrx": (
        {"architectures": ["DbrxForCausalLM"], "d_model": 6144, "n_heads": 48, "n_layers": 40, "max_seq_len": 32768,
         "vocab_size": 100352, "attn_config": {"kv_n_heads": 8},
         "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}},
        131_596_523_520,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OLDER)
def test_older_classes_count_as_the_hub_counts_them(name):
    config, parameters = OLDER[name]
    assert parameter_count(architecture.parse(config)) == parameters


def test_draft_layers_are_the_last_layer_with_a_projection_of_its_own():
    # The Hub counts 684.53 billion in DeepSeek-V3: with the draft layer, embedding and lm_head stored a second time,
    # and one FP8 scale for every 128 x 128 weights.
    arch = architecture.parse(DEEPSEEK)
    drafts = sum(t.copies * t.outputs * t.inputs for t in draft_tensors(arch, Layout()))
    again = 2 * 129280 * 7168
    counted = (parameter_count(arch) + drafts + again) * (1 + 1 / 128**2)
    assert counted / 1e9 == pytest.approx(684.53, abs=0.005)


def test_qwen3_next_drafts_with_a_layer_that_its_config_does_not_count():
    # The Hub counts 81.325 billion in Qwen3-Next-80B-A3B; config.json has no word of the layer that drafts.
    arch = find_shape("Qwen/Qwen3-Next-80B-A3B-Instruct").arch
    drafts = sum(t.copies * t.outputs * t.inputs for t in draft_tensors(arch, Layout()))
    assert (parameter_count(arch) + drafts) / 1e9 == pytest.approx(81.325, abs=0.001)


@pytest.mark.parametrize(
    ("name", "rows"), [("deepseek-ai/DeepSeek-V3", 7168), ("Qwen/Qwen3-Next-80B-A3B-Instruct", 2048 // 4)]
)
def test_a_draft_projection_is_whole_on_every_rank_or_split(name, rows):
    arch = find_shape(name).arch
    (group,) = arch.draft_layers
    two = replace(arch, draft_layers=(group._replace(indices=(*group.indices, group.indices[0] + 1)),))
    for drafting, layers in ((arch, 1), (two, 2)):
        tensors = draft_tensors(drafting, Layout(tensor_parallel_size=4))
        copies = layers if rows == arch.hidden else 1  # where it is split, all layers share one
        assert [(t.copies, t.outputs) for t in tensors if t.name == "draft projection"] == [(copies, rows)]


CLASSES = {
    "a window given by a pattern": (
        {"architectures": ["Gemma3ForCausalLM"], "num_hidden_layers": 13, "hidden_size": 64, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128, "vocab_size": 256, "sliding_window": 512,
         "max_position_embeddings": 1024},
        [i for i in range(13) if i not in (5, 11)],
    ),
    "a window in every second layer": (
        {"architectures": ["Gemma2ForCausalLM"], "num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128, "vocab_size": 256, "sliding_window": 512,
         "max_position_embeddings": 1024},
        [0, 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_windows_lie_where_the_class_has_them(name):
    config, expected = CLASSES[name]
    windowed = [i for g in architecture.parse(config).layers if g.mixer.window == 512 for i in g.indices]
    assert sorted(windowed) == expected


CLIP = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "image_size": 336, "patch_size": 14,
}  # fmt: skip
LLAVA = {
    "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "vision_config": CLIP,
    "text_config": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32064},
}  # fmt: skip


def test_llava_loads_its_encoder_up_to_the_layer_that_feeds_it():
    # llava-hf/llava-1.5-7b-hf is 7,063,427,072 by the Hub's count. Its projector reads the last layer but one, so that
    # vLLM leaves the 24th out: 4 x 1024^2 of attention, 2 x 1024 x 4096 of feed-forward, biases of 4 x 1024 + 4096 +
    # 1024, two norms of 2 x 1024. It never loads the norm behind the last layer, 2 x 1024.
    layer, norm = 4 * 1024**2 + 2 * 1024 * 4096 + 4 * 1024 + 4096 + 1024 + 4 * 1024, 2 * 1024
    assert parameter_count(architecture.parse(LLAVA)) == 7_063_427_072 - layer - norm
    assert parameter_count(architecture.parse(LLAVA | {"vision_feature_layer": -1})) == 7_063_427_072 - norm
    two = architecture.parse(LLAVA | {"vision_feature_layer": [-12, -1]})
    assert parameter_count(two) == 7_063_427_072 - norm


def test_pixtral_inside_llava_has_pixtrals_encoder():
    # mistral-community/pixtral-12b. Decoder: that of Mistral Nemo, 12,247,782,400 by the Hub's count. Encoder: patches
    # 3 x 16 x 16 x 1024 and a norm; 24 layers of 4 x 1024^2, 3 x 1024 x 4096 and two norms. Projector: 1024 x 5120 and
    # 5120^2 with biases.
    config = {
        "architectures": ["LlavaForConditionalGeneration"], "vision_feature_layer": -1,
        "text_config": {
            "model_type": "mistral", "hidden_size": 5120, "intermediate_size": 14336, "num_hidden_layers": 40,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072,
            "max_position_embeddings": 1024000,
        },
        "vision_config": {
            "model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 1024, "patch_size": 16,
        },
    }  # fmt: skip
    encoder = 3 * 16 * 16 * 1024 + 1024 + 24 * (4 * 1024**2 + 3 * 1024 * 4096 + 2 * 1024)
    projector = 1024 * 5120 + 5120**2 + 2 * 5120
    assert parameter_count(architecture.parse(config)) == 12_247_782_400 + encoder + projector


def test_llava_with_an_encoder_that_vllm_does_not_load_is_refused():
    with pytest.raises(Unsupported, match=r"vision_config\.model_type: dinov2"):
        architecture.parse(LLAVA | {"vision_config": CLIP | {"model_type": "dinov2"}})


def test_an_encoder_only_model_pools_and_keeps_no_cache():
    # BERT base: 109.48 M, as the Hub counts bert-base-uncased without its language-model head. For embeddings vLLM
    # leaves its pooler out, 768 x 768 and a bias, which is part of a classifier.
    config = {
        "architectures": ["BertModel"], "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2,
    }  # fmt: skip
    arch = architecture.parse(config)
    assert parameter_count(arch) == 109_482_240 - 768 * 769
    classifier = architecture.parse(config | {"architectures": ["BertForSequenceClassification"], "num_labels": 3})
    assert parameter_count(classifier) == 109_482_240 + 3 * 769
    assert arch.pooling
    assert not any(g.mixer.cached for g in arch.layers)


def test_a_decoder_that_pools_has_no_lm_head():
    config = {
        "architectures": ["Qwen2ForCausalLM"], "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936, "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
    }  # fmt: skip
    whole = architecture.parse(config)
    pooled = architecture.parse(config | {"architectures": ["Qwen2ForSequenceClassification"]})
    assert pooled.pooling
    assert parameter_count(whole) - parameter_count(pooled) == 151936 * 896 - 2 * 896  # a score for each of two classes


@pytest.mark.parametrize("name", sorted({*architecture.FAMILIES, *ROWS, *WRAPPERS}))
def test_a_truncated_config_is_refused_in_words(name):
    with pytest.raises(InferError, match=r"config\.json"):
        architecture.parse({"architectures": [name]})


@pytest.mark.parametrize("value", ["x", [], {"a": 1}, -1, 1.5, True])
@pytest.mark.parametrize("key", ["num_attention_heads", "moe_layer_freq", "n_shared_experts", "architectures"])
def test_a_value_of_the_wrong_kind_is_never_our_bug(key, value):
    try:
        architecture.parse(DEEPSEEK | {key: value})
    except InferError:
        return
    assert key not in ("num_attention_heads", "architectures")  # the others have meanings as -1 or true


DAMAGED = {
    "heads that KV heads do not divide": ({"num_attention_heads": 32, "num_key_value_heads": 5}, "num_key_value_heads"),
    "more KV heads than heads": ({"num_attention_heads": 8, "num_key_value_heads": 32}, "num_key_value_heads"),
    "more experts a token than experts": ({"num_local_experts": 8, "num_experts_per_tok": 9}, "9 experts"),
    "a RoPE factor below zero": ({"rope_scaling": {"rope_type": "linear", "factor": -2.0}}, "rope_scaling"),
    "a RoPE factor that leaves no token": ({"rope_scaling": {"rope_type": "dynamic", "factor": 1e-6}}, "rope_scaling"),
    "a dtype that is none": ({"torch_dtype": "bf17"}, "torch_dtype"),
    "a dtype that is no word": ({"torch_dtype": ["bfloat16"]}, "torch_dtype"),
    "a window that is no number": ({"sliding_window": "4096"}, "sliding_window"),
    "a window below zero": ({"sliding_window": -4096}, "sliding_window"),
    "ten million layers": ({"num_hidden_layers": 10_000_000}, "num_hidden_layers"),
    "ten million draft layers": ({"num_nextn_predict_layers": 10_000_000}, "num_nextn_predict_layers"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_no_model_can_have_is_refused_by_its_key(name):
    mixtral = {
        "architectures": ["MixtralForCausalLM"], "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
        "num_experts_per_tok": 2, "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
    }  # fmt: skip
    assert architecture.parse(mixtral).layer_count == 32
    changed, words = DAMAGED[name]
    with pytest.raises(InferError, match=words):
        architecture.parse(mixtral | changed)


def test_more_experts_layers_or_width_are_never_fewer_parameters():
    arch = architecture.parse(DEEPSEEK)
    for changed in ({"n_routed_experts": 257}, {"num_hidden_layers": 62}, {"intermediate_size": 18433}):
        assert parameter_count(architecture.parse(DEEPSEEK | changed)) > parameter_count(arch)
