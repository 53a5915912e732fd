"""Inkling by what is public of it: the bytes of its files, its active parameters, and what vLLM asserts of it."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, draft_tensors, rank_tensors, stage_tensors
from infercli.core.architecture.inkling import drafted_by
from infercli.core.engines import find_engine
from infercli.core.engines.classes import missing_class
from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.tensor_parallel import problems
from infercli.core.kv_cache.pool import CacheLayout, cache_layout
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.memory.sizing import non_torch_parts
from infercli.core.memory.vision import Items, as_loaded
from infercli.core.memory.weights import file_bytes, weights_by_role
from infercli.core.quantization.checkpoint import UNQUANTIZED, detect
from infercli.core.shapes import find_shape
from infercli.core.shapes.reports import REPORTS
from infercli.errors import Unsupported
from tests.core.architecture.active import active_parameters
from tests.core.estimates.estimates import bytes_of
from tests.core.memory.batches import load

BIG, SMALL = (find_shape(f"thinkingmachines/Inkling{name}").arch for name in ("", "-Small"))
CONFIG = next(config for ids, config, _, _ in REPORTS if "thinkingmachines/Inkling" in ids)
VOCAB, HIDDEN, LAYERS, LOCAL = 201024, 6144, 66, 55


def changed(**text) -> dict:
    return CONFIG | {"text_config": CONFIG["text_config"] | text}


def cache(arch=BIG, ranks=8, version="0.29.0", **settings) -> CacheLayout:
    at = {"engine_version": version, "dtype": "bfloat16", "block_tokens": 16, "max_num_batched_tokens": 8192}
    found = cache_layout(arch, Layout(tensor_parallel_size=ranks), CacheSettings(**at | settings))
    assert found is not None
    return found


def asked(model="Inkling-Small", gpu="H200", **request) -> Estimate | EstimateError:
    said = {"model": f"thinkingmachines/{model}", "gpu": gpu, "tensor_parallel_size": 8, "engine_version": "0.29.0"}
    said = EstimateRequest(**said | request)
    return estimate(said, shipped_model(str(said.model)))


def refused(**request) -> list[str]:
    found = asked(**request)
    assert isinstance(found, EstimateError)
    return [problem.where for problem in found.problems]


def elements(tensors) -> int:
    return sum(t.copies * t.outputs * t.inputs for t in tensors)


def test_it_has_the_parameters_of_its_parts():
    def attention(kv: int, extent: int) -> int:
        made = (64 * 128 * 2 + 2 * kv * 128 + 64 * 16) * HIDDEN
        return made + 16 * extent + 2 * 128 + 4 * (2 * kv * 128 + 2 * HIDDEN)

    mixers = LOCAL * attention(16, 512) + (LAYERS - LOCAL) * attention(8, 1024)
    dense = 3 * 24576 * HIDDEN + 1
    moe = 264 * HIDDEN + 256 + 1 + (256 + 2) * 3 * 3072 * HIDDEN  # a router of 258 rows, in eights
    pixels = 75 * 128 + 128 + 512 * 320 + 320
    outside = 2 * VOCAB * HIDDEN + 2 * HIDDEN + LAYERS * 2 * HIDDEN
    towers = sum(w.outputs * w.inputs * w.copies for w in BIG.encoders)
    assert towers > 80 * 16 * HIDDEN + pixels
    assert find_shape("thinkingmachines/Inkling").parameters == mixers + 2 * dense + 64 * moe + outside + towers
    assert active_parameters(BIG) == pytest.approx(41e9, rel=0.01)  # "975B-A41B" and "276B-A12B"
    assert active_parameters(SMALL) == pytest.approx(12e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "size", "within"),
    [
        # Exact bytes of tensors, as mesh-llm lists them; rows that vLLM adds to the router are 2e-6 of them.
        ("Inkling", 1_904_604_285_204, 0.0001),
        ("Inkling-NVFP4", 591_854_374_368, 0.0003),
        ("Inkling-Small", 531_912_898_740, 0.00001),
    ],
)
def test_its_checkpoints_have_the_bytes_of_their_files(name, size, within):
    shape = find_shape(f"thinkingmachines/{name}")
    assert file_bytes(shape.arch, shape.quantization, 2) == pytest.approx(size, rel=within)


def test_a_checkpoint_of_modelopt_quantizes_its_routed_experts_alone():
    names = ["model.llm.unembed", "*.attn*", "*.mlp.w*", "model.llm.layers.2.mlp.experts"]
    found = detect({"quantization": {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": names}})
    plain = weights_by_role(BIG, UNQUANTIZED, Layout(), 2)
    stored = weights_by_role(BIG, found, Layout(), 2)
    assert {role for role in plain if stored[role] < plain[role]} == {"experts"}
    # 4 bits, and a scale of 8 for sixteen weights; one layer of 64 keeps 16
    assert stored["experts"] / plain["experts"] == pytest.approx((1 + 63 * 4.5 / 16) / 64, rel=0.001)


def test_the_embedding_is_whole_on_every_rank_and_the_head_is_cut():
    held = {t.name: t.outputs for t in rank_tensors(BIG, Layout(tensor_parallel_size=8))}
    assert (held["embedding"], held["lm_head"]) == (VOCAB, VOCAB // 8)
    assert not BIG.tied


def test_every_stage_holds_what_stands_around_the_layers():
    layout = Layout(tensor_parallel_size=8, pipeline_parallel_size=3)
    names = [{t.name for t in stage_tensors(BIG, layout, stage)} for stage in range(3)]
    assert all({"embedding", "embedding norm", "final norm", "lm_head", "visual", "audio"} <= n for n in names)


def test_ranks_may_be_as_many_as_kv_heads_and_no_more():
    assert not problems(BIG, UNQUANTIZED, 8)
    assert problems(BIG, UNQUANTIZED, 16) == (
        "vLLM does not repeat the 8 KV heads of InklingForConditionalGeneration on 16 ranks",  # vllm-project/vllm#49105
    )


def test_convolutions_keep_a_window_of_four_tokens_beside_keys_and_values():
    page = 4 * 2 * (2 * 128 + 2 * HIDDEN // 16) * 2  # of two KV heads a rank: 1,024 wide
    pages = [g.first for g in cache().groups]
    assert {(p.kind, p.block_tokens, p.reach, p.page_bytes) for p in pages} == {
        ("full", 32, None, page),  # one KV head a rank: twice the tokens of a window's page
        ("sliding", 16, 512, page),
        ("sliding", 4, 4, page),
    }
    assert cache().bytes_per_block == 11 * page == 180_224
    narrow = cache(SMALL)
    assert {(g.first.kind, g.first.block_tokens) for g in narrow.groups} == {
        ("full", 32), ("sliding", 32), ("sliding", 4),
    }  # fmt: skip
    assert narrow.bytes_per_block == 7 * 4 * 2048 * 2


def test_windows_of_two_sizes_are_one_group_of_full_attention_to_nobody():
    """vLLM 0.29, asked: "All attention layers in the same KV cache group must have the same window size."."""
    with pytest.raises(Unsupported, match="hybrid KV cache manager"):
        cache(by_kind=False)


def test_windows_keep_what_several_layers_drafted():
    def reaches(tokens: int, version="0.29.0") -> set[int]:
        arch = drafted_by(SMALL, tokens)
        found = cache(arch, version=version, speculative_tokens=tokens, draft_layers=arch.draft_layers)
        return {g.first.reach for g in found.groups if g.first.reach is not None}

    assert reaches(1) == reaches(3, "0.27.0") == {512, 4}
    assert reaches(3) == reaches(3, "0.28.0") == {514, 6}


def test_as_many_layers_draft_as_tokens_are_asked_for():
    layout = Layout(tensor_parallel_size=8)
    assert [len(g.indices) for g in BIG.draft_layers] == [6, 2]
    assert elements(draft_tensors(drafted_by(BIG, 8), layout)) == elements(draft_tensors(BIG, layout))
    assert [g.indices for g in drafted_by(BIG, 3).draft_layers] == [(66, 68), (67,)]
    three, one = (asked(speculation={"method": "mtp", "num_speculative_tokens": n}) for n in (3, 1))
    assert bytes_of(three, "weights") > bytes_of(one, "weights") > bytes_of(asked(), "weights")


def test_its_towers_are_loaded_for_text_as_well():
    assert as_loaded(BIG, Items("none"), (0, 29)).encoders == BIG.encoders


def test_ranks_add_up_through_buffers_of_their_own():
    def buffers(**at) -> int:
        parts = non_torch_parts(BIG, load(**at), find_engine("0.29.0"))
        return round(parts["exchange_of_sums"].typical) if "exchange_of_sums" in parts else 0

    assert buffers(tp=8, tokens=8192) == 6 * 8192 * HIDDEN * 2
    assert buffers(tp=8, tokens=65536) == 6 * 16384 * HIDDEN * 2
    assert buffers(tp=1, tokens=8192) == 0


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        ({"gpu": "A100-80-SXM"}, "gpu"),
        ({"gpu": "RTX-PRO-6000"}, "gpu"),  # vllm-project/vllm#51405
        ({"gpu": "MI300X", "engine_version": "0.26.0"}, "gpu"),
        ({"kv_cache_dtype": "fp8"}, "kv_cache_dtype"),
        ({"dtype": "float16"}, "dtype"),
        ({"dtype": "float32"}, "dtype"),
        ({"tensor_parallel_size": 16}, "tensor_parallel_size"),
    ],
)
def test_vllm_does_not_start_where_it_has_no_kernel(request_, where):
    assert refused(**request_) == [where]


@pytest.mark.parametrize("gpu", ["H200", "B200", "B300", "MI355X"])
def test_it_starts_where_it_has_one(gpu):
    found = asked(gpu=gpu)
    assert isinstance(found, Estimate)
    assert found.starts


def test_the_class_came_with_0_26():
    assert missing_class(SMALL, find_engine("0.25.1"))
    assert not missing_class(SMALL, find_engine("0.26.0"))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (changed(q_bias=True), "q_bias"),
        (changed(gate_activation="softmax"), "gate_activation"),
        (changed(shared_expert_sink=False), "shared_expert_sink"),
        (changed(n_shared_experts=0), "n_shared_experts"),
        (
            CONFIG | {"vision_config": CONFIG["vision_config"] | {"vision_encoder_type": "linear"}},
            "vision_encoder_type",
        ),
        (CONFIG | {"audio_config": CONFIG["audio_config"] | {"audio_mode": "flow"}}, "audio_mode"),
        (CONFIG | {"vision_config": CONFIG["vision_config"] | {"decoder_dmodel": 4096}}, "decoder_dmodel"),
    ],
)
def test_what_is_not_known_is_refused_with_its_field(config, field):
    with pytest.raises(Unsupported, match=field):
        architecture.parse(config)


def test_a_tower_that_config_json_switches_off_is_not_held():
    off = architecture.parse(CONFIG | {"vision_config": {}, "audio_config": {"decoder_dmodel": None}})
    assert off.encoders == ()
