"""Shipped shapes by their names: quantized checkpoints, and what is offered for those that are not here."""

from __future__ import annotations

import re

import pytest

from infercli.core.architecture import parse
from infercli.core.architecture.arch import Layout, draft_tensors, parameter_count, rank_tensors
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.tensor_parallel import problems
from infercli.core.gpus import find_gpu
from infercli.core.memory.weights import ROTARY, weights_by_role, weights_bytes
from infercli.core.quantization.schemes import schemes_of, typical
from infercli.core.shapes import find_shape, published_as
from infercli.core.shapes.cards import CARDS, EMBEDDERS
from infercli.core.shapes.checkpoints import CHECKPOINTS, WIDENED
from infercli.core.shapes.copies import COPIES
from infercli.core.shapes.deepseek import DEEPSEEK
from infercli.core.shapes.facts import FACTS
from infercli.core.shapes.fine_tunes import FINE_TUNES
from infercli.core.shapes.frameworks import FRAMEWORKS
from infercli.core.shapes.llama import LLAMA
from infercli.core.shapes.quantized import QUANTIZED, QUANTIZED_COPIES
from infercli.core.shapes.qwen import QWEN
from infercli.core.shapes.reports import REPORTS
from infercli.core.units import GIB
from infercli.errors import UnknownName
from tests.core.architecture.active import active_parameters
from tests.core.configs import config_of
from tests.core.plans import plan


@pytest.mark.parametrize(
    ("asked", "base", "method"),
    [
        ("somebody/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "meta-llama/Meta-Llama-3.1-8B-Instruct", "w4a16"),
        ("somebody/qwen3-14b-fp8-dynamic", "Qwen/Qwen3-14B", "fp8"),
        ("somebody/Qwen2.5-7B-Instruct-GPTQ-Int4", "Qwen/Qwen2.5-7B-Instruct", "gptq"),
    ],
)
def test_an_unknown_checkpoint_of_a_known_model_may_be_planned_as_a_usual_one(asked, base, method):
    with pytest.raises(UnknownName) as refused:
        find_shape(asked)
    assert f"`{base}` with --quantization {method} is planned" in refused.value.hint
    assert plan(base, "h100", quantization=method).fits


@pytest.mark.parametrize("asked", ["somebody/Qwen2.5-7B-Instruct-GPTQ-Int8", "somebody/else-AWQ"])
def test_no_usual_checkpoint_is_offered_where_there_is_none(asked):
    with pytest.raises(UnknownName) as refused:
        find_shape(asked)
    assert "--quantization" not in refused.value.hint


METHODS = {
    "awq": "awq", "gptq": "gptq", "fp8": "fp8", "fp4": "nvfp4", "w8a8": "int8", "w4a16": "w4a16", "w8a16": "w8a16",
    "bnb": "bitsandbytes",
}  # fmt: skip


def test_a_checkpoint_is_stored_as_its_name_says():
    for model_id, base, _ in CHECKPOINTS:
        stored, name = find_shape(model_id).quantization, model_id.lower()
        said = {method for word, method in METHODS.items() if word in name}
        said = {"gptq"} if "meta-llama-3.1" in name and "w4a16" in name else said  # by AutoGPTQ
        assert said == {stored.method} or name.startswith(("moonshotai/", "mistralai/")), model_id
        usual = typical(stored.method)
        assert stored.bits == (8 if "int8" in name else usual.bits)
        assert stored.zero_points == usual.zero_points
        model = base.rpartition("/")[2].lower().removeprefix("meta-").removesuffix("-hf").removesuffix("-bf16")
        if not name.startswith(("cognitivecomputations/", "moonshotai/")):
            assert model in name, model_id


def test_published_checkpoints_are_told_by_their_names():
    assert published_as("Qwen/Qwen3-32B", "awq") == ("Qwen/Qwen3-32B-AWQ",)
    assert published_as("meta-llama/Meta-Llama-3.1-8B-Instruct", "int8") == (
        "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8",
    )
    assert "Qwen/Qwen2.5-72B-Instruct-AWQ" in published_as("Qwen/Qwen2.5-72B-Instruct", "awq")


def test_an_id_stands_in_one_table():
    rows = (*LLAMA, *QWEN, *FACTS, *COPIES, *REPORTS, *FRAMEWORKS, *DEEPSEEK, *CARDS, *EMBEDDERS)
    ids = [i for row in rows for i in row[0]] + [i for _, tuned in FINE_TUNES for i in tuned]
    ids += [row[0] for row in (*QUANTIZED, *QUANTIZED_COPIES, *CHECKPOINTS)]
    assert len(ids) == len({i.lower() for i in ids})


@pytest.mark.parametrize("model_id", WIDENED)
def test_a_widened_checkpoint_has_whole_groups_on_eight_gpus(model_id):
    shape = find_shape(model_id)
    assert problems(shape.arch, shape.quantization, 8) == ()


@pytest.mark.parametrize(
    ("model_id", "size"),
    [
        # The Hub lists files of 5 GB and 4.08 GB, and of 72.7 GB.
        ("neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8", 9.08e9),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w8a8", 72.7e9),
        # As their cards say.
        ("TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ", 23.81e9),
        ("TheBloke/Llama-2-70B-Chat-GPTQ", 35.33e9),
        ("TheBloke/Mistral-7B-Instruct-v0.2-AWQ", 4.15e9),
        ("cognitivecomputations/DeepSeek-R1-AWQ", 352e9),
    ],
)
def test_a_checkpoint_has_the_bytes_of_its_files(model_id, size):
    shape = find_shape(model_id)
    bytes_by_role = weights_by_role(shape.arch, shape.quantization, Layout(), 2)
    assert sum(n for role, n in bytes_by_role.items() if role != ROTARY) == pytest.approx(size, rel=0.006)


@pytest.mark.parametrize(
    ("model_id", "elements"),
    [  # as gogongxt/python's reports count the tensors of the files
        ("MiniMaxAI/MiniMax-M3", 427_040_140_160),
        ("moonshotai/Kimi-Linear-48B-A3B-Instruct", 49_122_681_728),
        ("zai-org/GLM-4.5V", 107_710_933_120),
        ("deepseek-ai/DeepSeek-OCR", 3_336_106_240),
        ("Qwen/Qwen3-Reranker-8B", 8_188_548_096),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", 8_888_227_328),  # debaditc/kvfit, of the Hub
    ],
)
def test_a_copy_of_a_config_has_as_many_parameters_as_its_files(model_id, elements):
    assert find_shape(model_id).parameters == elements


@pytest.mark.parametrize(
    ("model_id", "size"),
    [
        # Totals of the files in gogongxt/python's reports. GLM-4.5 stores the table of its draft layer a second time.
        ("zai-org/GLM-4.5-FP8", 336.47 * GIB),
        ("moonshotai/Kimi-K2.6", 554.27 * GIB),
        ("moonshotai/Kimi-K2.7-Code", 554.27 * GIB),
        ("moonshotai/Kimi-Linear-48B-A3B-Instruct", 91.50 * GIB),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", 76.40 * GIB),
        ("XiaomiMiMo/MiMo-V2.5-Pro", 962.40 * GIB),  # with the three layers that draft
        # vllm-project/recipes: "2,496,154,358,768 bytes", "4,892,388,705,238 bytes", "~121 GB on disk".
        ("Qwen/Qwen3.8-2.4T-A95B-FP8", 2_496_154_358_768),
        ("Qwen/Qwen3.8-2.4T-A95B", 4_892_388_705_238),
        ("poolside/Laguna-S-2.1-FP8", 121e9),
        ("moonshotai/Kimi-K2-Thinking", 594e9),
        ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", 23.32 * GIB),  # "Checkpoint size" in a log of 0.19, what drafts included
    ],
)
def test_a_copy_of_a_config_makes_as_many_bytes_as_its_files(model_id, size):
    shape = find_shape(model_id)
    bytes_by_role = weights_by_role(shape.arch, shape.quantization, Layout(), 2, drafts=True)
    assert sum(n for role, n in bytes_by_role.items() if role != ROTARY) == pytest.approx(size, rel=0.006)


def test_glm_4_7_flash_stores_two_tables_for_the_layer_that_drafts():
    arch = find_shape("zai-org/GLM-4.7-Flash").arch
    drafts = sum(t.copies * t.outputs * t.inputs for t in draft_tensors(arch, Layout()))
    assert parameter_count(arch) + drafts + 2 * 154880 * 2048 == 31_221_488_576  # gogongxt/python's report


def test_a_fine_tune_has_the_shape_of_what_it_was_trained_from():
    ids = [i for _, tuned in FINE_TUNES for i in tuned]
    assert len(set(ids)) == len(ids)
    assert all(find_shape(i).arch == find_shape(base).arch for base, tuned in FINE_TUNES for i in tuned)
    assert "from knowledge" in find_shape("lmsys/vicuna-7b-v1.5").source


def test_whoever_plans_from_general_knowledge_is_told_so():
    of_files = "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8"  # how it is stored was read, its layers were not
    for told in ("Qwen/Qwen2.5-7B-Instruct", "lmsys/vicuna-7b-v1.5", "TheBloke/Llama-2-7B-Chat-AWQ", of_files):
        (note,) = find_shape(told).notes
        assert "from general knowledge and not from its config.json" in note
        assert note in shipped_model(told).notes
        assert note in plan(told, "b200-x8" if told == of_files else "l4").notes
    assert find_shape("meta-llama/Llama-3.1-8B").notes == find_shape("openai/gpt-oss-20b").notes == ()


def test_what_stands_beside_the_config_of_an_embedder_is_known():
    # sentence_bert_config.json's max_seq_length (embeddings-benchmark/mteb#2003), and the modules.json of Qwen's
    assert find_shape("sentence-transformers/all-MiniLM-L6-v2").arch.max_model_len == 256
    assert find_shape("BAAI/bge-large-en-v1.5").arch.max_model_len == 512
    arch = find_shape("Qwen/Qwen3-Embedding-8B").arch
    assert (arch.pooling, arch.lm_head, arch.max_model_len) == (True, False, 40960)


def test_a_scaled_rotary_embedding_takes_as_many_tokens_as_vllm_says():
    # vllm-project/vllm#7860: max_seq_len=65536
    assert find_shape("OpenGVLab/InternVL2-8B").arch.max_model_len == 65536
    assert find_shape("mistralai/Ministral-3-8B-Base-2512").arch.max_model_len == 262144


@pytest.mark.parametrize(
    ("model_id", "gpu", "version", "printed_gib"),
    [  # public logs: "Model loading took"
        ("Qwen/Qwen3.5-4B", "L40S", "0.22.0", 8.61),
        ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", "RTX-5090", "0.19.1", 21.88),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "L40S", "0.10.1", 16.56),
    ],
)
def test_a_shape_weighs_what_a_log_prints(model_id, gpu, version, printed_gib):
    shape = find_shape(model_id)
    weights = weights_bytes(
        shape.arch, shape.quantization, Layout(), 2, gpu=find_gpu(gpu), engine_version=version, batched_tokens=8192
    )
    assert weights / GIB == pytest.approx(printed_gib, rel=0.002)


def test_qwen3_5_in_fp8_weighs_what_a_log_of_its_text_model_prints():
    # vllm-project/vllm#41000: 27.66 to 27.69 GiB of Qwen3.6-27B-FP8 in 32 GB, where the encoder is left out
    shape = find_shape("Qwen/Qwen3.6-27B-FP8")
    by_role = weights_by_role(shape.arch, shape.quantization, Layout(), 2)
    assert sum(n for role, n in by_role.items() if role != "encoder") / GIB == pytest.approx(27.66, rel=0.002)


def test_llama_3_1_405b_in_fp8_keeps_its_attention_and_outermost_layers():
    # vllm-project/vllm#6746: 57.752 GiB of each of eight GPUs, when its files had every head of keys twice
    shape = find_shape("meta-llama/Meta-Llama-3.1-405B-Instruct-FP8")
    twice = parse(config_of(shape.arch) | {"num_key_value_heads": 16})
    layout = Layout(tensor_parallel_size=8)
    weights = weights_bytes(
        twice, shape.quantization, layout, 2, gpu=find_gpu("H100"), engine_version="0.5.3", batched_tokens=512
    )
    assert weights / GIB == pytest.approx(57.752, rel=0.001)


def test_the_rotary_embeddings_of_qwen3_5_turn_a_quarter_of_each_head_in_three_sections():
    # config.json of nvidia/Qwen3.6-27B-NVFP4: partial_rotary_factor 0.25 of 256, mrope_section [11, 11, 10]
    arch = find_shape("nvidia/Qwen3.6-27B-NVFP4").arch
    assert (arch.rope_width, arch.rope_sections) == (64, True)


def test_a_class_of_which_a_config_was_copied_was_seen():
    ids = [row[0][0] for row in (*COPIES, *REPORTS, *FRAMEWORKS)]
    assert [i for i in ids if not find_shape(i).arch.confirmed] == [
        "XiaomiMiMo/MiMo-V2.5", "mistralai/Mistral-Large-3-675B-Instruct-2512",
        "meta-models/Muse-Spark-Open-816B-A42B", "mistralai/Voxtral-Mini-4B-Realtime-2602",
    ]  # fmt: skip


def test_mimo_v2_with_encoders_is_answered_and_never_said_to_fit():
    """Its checkpoint holds a model of its own for sound, audio_tokenizer/, which config.json does not describe."""
    shape = find_shape("XiaomiMiMo/MiMo-V2.5")
    assert (shape.arch.architecture, shape.arch.confirmed) == ("MiMoV2OmniForCausalLM", False)
    assert shape.arch.layers == find_shape("XiaomiMiMo/MiMo-V2-Flash").arch.layers
    sees = sum(w.copies * w.outputs * w.inputs for w in shape.arch.encoders if w.name.startswith("visual"))
    assert round(sees / 1e6) == 729  # as the model card says
    assert parse(next(row[1] for row in COPIES if row[0] == ("XiaomiMiMo/MiMo-V2.5-Pro",))).confirmed


def test_a_copy_of_a_config_has_the_size_that_its_name_says():
    copied = [i for row in (*COPIES, *REPORTS, *FRAMEWORKS) for i in row[0]] + [row[0] for row in QUANTIZED_COPIES]
    unit = {"M": 1e6, "B": 1e9, "T": 1e12}
    named = {i: re.search(r"-([0-9.]+)([MBT])\b", i) for i in copied}
    sizes = {i: float(m[1]) * unit[m[2]] for i, m in named.items() if m}
    # As vllm-project/recipes says, where the name does not.
    sizes |= {"XiaomiMiMo/MiMo-V2-Flash": 309e9, "tencent/Hy3-preview": 295e9, "inclusionAI/Ling-3.0-flash": 124e9}
    sizes |= {"arcee-ai/Trinity-Large-Preview": 400e9, "XiaomiMiMo/MiMo-V2.5": 310e9}
    sizes |= {"mistralai/Voxtral-Mini-4B-Realtime-2602": 3.4e9 + 970e6}  # as its card says
    for model_id, size in sizes.items():
        assert find_shape(model_id).parameters == pytest.approx(size, rel=0.06), model_id
    assert len(sizes) >= 15


def test_mistral_large_3_has_what_its_card_says_of_the_decoder_and_of_what_sees():
    shape = find_shape("mistralai/Mistral-Large-3-675B-Instruct-2512")
    sees = sum(w.copies * w.outputs * w.inputs for w in shape.arch.encoders)
    assert round((shape.parameters - sees) / 1e9) == 673
    assert sees == pytest.approx(2.5e9, rel=0.03)
    assert round((active_parameters(shape.arch) - sees - shape.arch.vocab * shape.arch.hidden) / 1e9) == 39


def test_voxtral_realtime_hears_with_970_million_parameters():
    shape = find_shape("mistralai/Voxtral-Mini-4B-Realtime-2602")
    tensors = rank_tensors(shape.arch, Layout())
    hears = [t for t in tensors if t.name.startswith(("heard", "whisper_encoder"))]
    assert round(sum(t.copies * t.outputs * t.inputs for t in hears) / 1e6) == 970


# Layers that keep 16 bits, of those that have the module.
LEFT_OUT = {
    "zai-org/GLM-4.5-FP8": {"mlp.experts.up_proj": 0, "self_attn.q_proj": 0, "mlp.up_proj": 0},
    "Qwen/Qwen3.8-2.4T-A95B-FP8": {"self_attn.o_proj": 23, "linear_attn.out_proj": 69, "mlp.experts.up_proj": 0},
    "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8": {"linear_attn.in_proj_ba": 36, "linear_attn.in_proj_qkvz": 0},
    "XiaomiMiMo/MiMo-V2-Flash": {"self_attn.o_proj": 48, "self_attn.q_proj": 0},
    "poolside/Laguna-S-2.1-FP8": {"self_attn.q_proj": 48, "mlp.up_proj": 1, "mlp.experts.up_proj": 0},
    "nvidia/GLM-5-NVFP4": {"self_attn.o_proj": 78, "mlp.shared_experts.up_proj": 0, "mlp.experts.up_proj": 0},
    "moonshotai/Kimi-K2.6": {"self_attn.o_proj": 61, "mlp.down_proj": 1, "mlp.experts.down_proj": 0},
}


@pytest.mark.parametrize("model_id", LEFT_OUT)
def test_what_a_copied_config_leaves_out_is_left_out(model_id):
    stored, tensors = find_shape(model_id).quantization, rank_tensors(find_shape(model_id).arch, Layout())
    for module, layers in LEFT_OUT[model_id].items():
        here = [t for t in tensors if t.linear and module in t.modules]
        left_out = sum(n for t in here for s, n in schemes_of(stored, t.modules, t.indices) if s is None)
        assert here, module
        assert left_out == layers, module
