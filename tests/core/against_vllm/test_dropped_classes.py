"""Classes that vLLM 0.29 dropped hold what the last source that had them made each rank hold."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import (
    Attention,
    Experts,
    GatedDelta,
    Layout,
    feed_forwards,
    mixers,
    parameter_count,
    rank_tensors,
)
from infercli.core.gpus import find_gpu
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.rules import rules_for
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.speed.work import rank_work
from infercli.errors import Unsupported
from tests.core.against_vllm.dropped_models import DROPPED
from tests.core.against_vllm.newer_models import NEWER
from tests.core.against_vllm.pooling_models import POOLING

MINIMAX = DROPPED["MiniMax-Text-01, vLLM 0.22.1"][0]


@pytest.mark.parametrize("name", DROPPED)
def test_each_rank_holds_what_the_last_source_made_it_hold(name):
    config, counts = DROPPED[name]
    arch = architecture.parse(config)
    for ranks, count in zip((1, 2, 4), counts, strict=True):
        tensors = rank_tensors(arch, Layout(tensor_parallel_size=ranks))
        assert sum(t.copies * t.outputs * t.inputs for t in tensors) == count, ranks
    assert not arch.confirmed


def test_lightning_attention_keeps_one_matrix_a_head_and_no_convolution():
    arch = architecture.parse(MINIMAX)
    assert [m.variant for m in mixers(arch) if isinstance(m, GatedDelta)] == ["lightning"]
    settings = CacheSettings(engine_version="0.23.0", dtype="bfloat16", prefix_caching=False)
    layout = cache_layout(arch, Layout(tensor_parallel_size=2), settings)
    # 8 of 16 heads, 96 x 96 each, 2 B: 147,456 B; a token of full attention: 2 KV heads x 2 x 96 x 2 B = 768 B.
    placed = {p.cache.kind: p.cache for group in layout.groups for p in group.layers}
    assert placed["state"].block_tokens == 147_456 // 768 == 192
    assert {t.name for t in rank_tensors(arch, Layout()) if t.float32} == {"router", "lm_head"}


@pytest.mark.parametrize("field", [{"shared_intermediate_size": 64}, {"num_local_experts": [8, 8, 4, 8, 8]}])
def test_what_no_published_minimax_has_is_refused(field):
    with pytest.raises(Unsupported, match=next(iter(field))):
        architecture.parse(MINIMAX | field)


def test_each_pass_of_the_same_layers_keeps_its_own_keys_and_reads_the_weights_again():
    config, (whole, *_) = DROPPED["Ouro, vLLM 0.25.1"]
    arch = architecture.parse(config)
    settings = CacheSettings(engine_version="0.26.0", dtype="bfloat16")
    layout = cache_layout(arch, Layout(), settings)
    assert sum(len(group.layers) for group in layout.groups) == 3 * 3  # three layers, three passes
    in_layers = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout()) if t.indices and t.inputs > 1)
    outside = 32000 * 1024 + 1024  # lm_head, and the gate for leaving early
    work = rank_work(
        arch, UNQUANTIZED, find_gpu("H100"), Layout(), element_bytes=2, kv_element_bytes=2, engine_version=(0, 26)
    )
    assert sum(m.parameters for m in work.matrices) == 3 * in_layers + outside
    assert in_layers < whole
    assert (arch.layer_count, arch.passed_layers, work.layers) == (3, 9, 9)


def test_a_nemotron_puzzle_has_the_widths_and_the_windows_of_each_block():
    arch = architecture.parse(NEWER["NemotronHPuzzleForCausalLM"])
    experts = [f for f in feed_forwards(arch) if isinstance(f, Experts)]
    assert [(e.experts, e.intermediate, e.latent, e.shared_intermediate) for e in experts] == [
        (8, 320, 256, 448), (4, 640, None, 576)
    ]  # fmt: skip
    assert [m.window for m in mixers(arch) if isinstance(m, Attention)] == [512, None]


def test_a_nemotron_puzzle_keeps_its_states_in_the_dtype_nemotron_h_does():
    asks = rules_for("0.29.0").asks_state_dtype
    assert {"NemotronHForCausalLM", "NemotronHPuzzleForCausalLM"} <= asks


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("HunYuanMoEV1ForCausalLM", {"use_cla": True}),
        ("HunYuanMoEV1ForCausalLM", {"moe_intermediate_size": [320, 320, 640]}),
        ("PanguProMoEV2ForCausalLM", {"param_sink_number": 0}),
        ("Plamo3ForCausalLM", {"interleaved_sliding_window": [512, 256, None]}),
        ("NemotronHPuzzleForCausalLM", {"block_configs": None}),
    ],
)
def test_what_has_no_rule_is_refused_by_its_name(name, field):
    with pytest.raises(Unsupported, match=next(iter(field))):
        architecture.parse(NEWER[name] | field)


def test_a_reward_model_has_its_head_and_jina_3_no_table_of_positions():
    plain, reward = (architecture.parse(POOLING["Qwen2ForRewardModel"] | {"architectures": [name]}) for name in (
        "Qwen2Model", "Qwen2ForRewardModel"))  # fmt: skip
    assert parameter_count(reward) - parameter_count(plain) == 1024 * 1024 + 1024 + 1024 + 1
    jina = architecture.parse(POOLING["Jina 3"])
    assert "positions" not in {weight.name for weight in jina.outside}
    learned = architecture.parse(POOLING["Jina 3"] | {"position_embedding_type": "absolute"})
    assert "positions" in {weight.name for weight in learned.outside}


def test_an_encoder_of_jina_5_keeps_no_cache_and_its_decoder_does():
    settings = CacheSettings(engine_version="0.29.0", dtype="bfloat16")
    decoder, encoder = (architecture.parse(POOLING[n]) for n in ("JinaEmbeddingsV5Model", "Jina 5 as an encoder"))
    assert cache_layout(encoder, Layout(), settings) is None
    assert cache_layout(decoder, Layout(), settings) is not None
