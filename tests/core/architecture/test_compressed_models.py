"""DeepSeek-V4 with an encoder or drafts by DSpark, and DeepSeek-V4.1: what their config.json is read to mean."""

from __future__ import annotations

import copy

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import CompressedAttention, Experts, Layout, draft_tensors, stage_tensors
from infercli.core.shapes.deepseek import DEEPSEEK
from infercli.core.shapes.facts import V4_FLASH
from infercli.errors import InferError, Unsupported

CONFIGS = {ids[0].rpartition("/")[2]: config for ids, config, _, _ in DEEPSEEK}
SEEING, V41 = CONFIGS["DeepSeek-V4-Flash-Vision-Exp"], CONFIGS["DeepSeek-V4.1-Flash"]


def v41(**text):
    config = copy.deepcopy(V41)
    config["text_config"] |= text
    return architecture.parse(config)


def per_layer(arch):
    return [m for _, m in sorted((i, g.mixer) for g in arch.layers for i in g.indices)]


def named(tensors, name):
    return [t for t in tensors if t.name == name]


def test_deepseek_v4_with_an_encoder_is_a_class_of_its_own_whatever_its_config_says():
    assert SEEING["architectures"] == ["DeepseekV4ForCausalLM"]
    assert architecture.parse(SEEING).architecture == "DeepseekV4ForConditionalGeneration"
    assert architecture.parse(SEEING | {"vision_n_layers": 0}).architecture == "DeepseekV4ForCausalLM"


def test_a_decoder_that_sees_corrects_scores_of_images_in_each_layer():
    seeing, reading = (architecture.parse(config) for config in (SEEING, V4_FLASH))
    for arch, biases in ((seeing, 43), (reading, 0)):
        assert sum(t.copies for t in named(stage_tensors(arch, Layout(), 0), "ffn.gate.bias_vl")) == biases
    assert all(isinstance(g.feed_forward, Experts) and g.feed_forward.router_bias for g in seeing.layers)


def test_ratios_of_compression_are_read_in_the_words_of_transformers_5_as_well():
    kinds = {0: "sliding_attention", 4: "compressed_sparse_attention", 128: "heavily_compressed_attention"}
    said = {key: value for key, value in V4_FLASH.items() if key != "compress_ratios"} | {
        "layer_types": [kinds[ratio] for ratio in V4_FLASH["compress_ratios"][:43]],
        "compress_rates": {kinds[4]: 4, kinds[128]: 128},
    }
    assert architecture.parse(said) == architecture.parse(V4_FLASH)


def test_dspark_drafts_with_three_layers_whatever_the_config_calls_its_next_tokens():
    arch = architecture.parse(CONFIGS["DeepSeek-V4-Flash-0731"])
    assert [i for g in arch.draft_layers for i in g.indices] == [43, 44, 45]
    assert architecture.parse(V4_FLASH).draft_others is None
    assert arch.draft_others
    plain = architecture.parse(V4_FLASH)
    assert sum(t.copies * t.outputs * t.inputs for t in draft_tensors(arch, Layout())) > 2.9 * sum(
        t.copies * t.outputs * t.inputs for t in draft_tensors(plain, Layout())
    )


def test_layers_of_deepseek_v41_compress_pick_or_take_what_an_earlier_one_has():
    found = per_layer(v41())
    assert all(isinstance(m, CompressedAttention) for m in found)
    assert [i for i, m in enumerate(found) if m.owns_keys] == [2, 8, 14, 20]
    assert [i for i, m in enumerate(found) if m.indexer is not None and m.indexer.cached] == [
        2, 8, 14, 20, 24, 28, 32, 36,
    ]  # fmt: skip
    assert [m.compress_ratio for m in found] == V41["text_config"]["compress_ratios"][:40]
    assert found[0].indexer is None
    assert {m.indexer.candidates for m in found[2:]} == {2048}


def test_tables_of_n_grams_are_columns_whole_on_a_rank_and_read_by_their_layers_only():
    arch = v41()
    assert [(t.outputs, t.inputs, t.heads) for t in arch.tables] == [(384006168, 256, 24), (384016682, 256, 24)]
    read = named(stage_tensors(arch, Layout(tensor_parallel_size=4), 0), "n-gram projection")
    assert sum(t.copies for t in read) == 2
    assert {(t.outputs, t.inputs) for t in read} == {(5 * 5120 // 4, 24 * 256)}
    assert v41(engram_layer_ids=[], engram_num_embeddings=[]).tables == ()


def test_the_drafts_of_deepseek_v41_have_fewer_experts():
    (group,) = v41().draft_layers
    assert group.feed_forward.experts == 128
    assert group.feed_forward.experts_per_token == 3
    assert group.mixer.compress_ratio == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"compress_ratios": [0, 0, *([4] * 38)]}, "0, 1 and 2 are"),
        ({"head_dim": 256}, "kernels for 512"),
        ({"qk_rope_head_dim": 32}, "kernels for 512"),
        ({"kv_source_layer_ids": [0, 2, 8, 14, 20]}, "layer 0 has a window only"),
        ({"kv_source_layer_ids": [2, 8, 14]}, "layer 20 needs keys"),
        ({"index_source_layer_ids": [2, 8, 14]}, "an indexer where it compresses"),
        ({"kv_source_layer_ids": [8, 14, 20]}, "layer 2 needs keys"),
        ({"kv_source_layer_ids": "2"}, "must list layers"),
        ({"engram_num_embeddings": [384006168]}, "a number for each table"),
        ({"compress_ratios": None}, "every layer needs its own"),
    ],
)
def test_what_vllm_would_not_build_of_deepseek_v41_is_refused(text, said):
    with pytest.raises(InferError, match=said):
        v41(**text)


def test_deepseek_v41_without_its_text_config_is_refused():
    with pytest.raises(InferError, match="text_config"):
        architecture.parse({key: value for key, value in V41.items() if key != "text_config"})
    reading = {key: value for key, value in V41.items() if key != "vision_config"}
    assert architecture.parse(reading).encoders == ()


def test_a_ratio_of_deepseek_v41_is_none_of_deepseek_v4():
    with pytest.raises(Unsupported, match="0, 4 and 128 are"):
        architecture.parse(V4_FLASH | {"compress_ratios": [2] * 43})


def test_shared_experts_are_cut_into_blocks():
    # 2,304 columns are 72 blocks of 32: 18 for each of 4 ranks, and 4.5 for each of 16, which hold 5
    def shared(ranks):
        found = stage_tensors(v41(), Layout(tensor_parallel_size=ranks), 0)
        return {t.inputs for t in found if "shared" in t.name and t.outputs == 5120}

    assert shared(4) == {576}
    assert shared(16) == {160}
