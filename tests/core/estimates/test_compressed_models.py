"""Estimates of DeepSeek-V4 with an encoder or drafts by DSpark, and of DeepSeek-V4.1: what runs, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import Experts, Layout
from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest, Speculation
from infercli.core.estimates.tensor_parallel import layout_problems, problems
from infercli.core.gpus import find_gpu
from infercli.core.shapes import find_shape
from infercli.core.speed.engine import Serving, step_time

V41, SEEING, DSPARK, MTP, PRO = (
    f"deepseek-ai/DeepSeek-{name}"
    for name in ("V4.1-Flash-1017", "V4-Flash-Vision-Exp", "V4-Flash-0731", "V4-Flash", "V4-Pro-0813")
)
WORKLOAD = {"input_len": 2000, "output_len": 300, "concurrency": 32}


def asked(model, gpu="B200", version="0.33.0", ranks=4, **more):
    said = {
        "model": model, "gpu": gpu, "engine_version": version, "tensor_parallel_size": ranks, "max_model_len": 131072,
    }  # fmt: skip
    return estimate(EstimateRequest.model_validate(said | more), shipped_model(model))


@pytest.mark.parametrize(
    ("model", "gpu", "ranks"),
    [
        (V41, "B200", 4),
        (V41, "H200", 8),
        (V41, "MI355X", 4),
        (SEEING, "H200", 4),
        (SEEING, "MI355X", 2),
        (PRO, "B200", 8),
    ],
)
@pytest.mark.parametrize("version", ["0.31.0", "0.32.0", "0.33.0"])
def test_estimates_are_made_of_both_classes(model, gpu, ranks, version):
    found = asked(model, gpu, version, ranks, workload=WORKLOAD)
    assert isinstance(found, Estimate), found
    assert found.kv_cache.blocks > 0
    assert found.speed is not None
    noted = any("n-grams" in note and "host memory" in note for note in found.notes)
    assert noted == (model == V41)


@pytest.mark.parametrize(
    ("model", "gpu", "version", "said"),
    [
        (V41, "B200", "0.29.0", "DeepseekV41ForCausalLM"),
        (SEEING, "B200", "0.29.0", "DeepseekV4ForConditionalGeneration"),
        (V41, "GB10", "0.33.0", "shares its memory"),
        (SEEING, "Max-1550", "0.33.0", "NVIDIA and AMD only"),
    ],
)
def test_where_vllm_has_no_class_or_kernels_nothing_is_estimated(model, gpu, version, said):
    found = asked(model, gpu, version)
    assert isinstance(found, EstimateError), found
    assert any(said in problem.what for problem in found.problems)


@pytest.mark.parametrize(("model", "method"), [(DSPARK, "dspark"), (MTP, "mtp"), (V41, "dspark"), (SEEING, "dspark")])
def test_draft_layers_draft_as_they_were_trained_to(model, method):
    other = {"mtp": "dspark", "dspark": "mtp"}[method]
    found, refused = (
        asked(
            model, workload=WORKLOAD, speculation={"method": m, "num_speculative_tokens": 3, "acceptance_fraction": 0.7}
        )
        for m in (method, other)
    )
    assert isinstance(found, Estimate), found
    assert isinstance(refused, EstimateError)
    assert f"draft by {method}, and not by {other}" in refused.problems[0].what
    plain = asked(model, workload=WORKLOAD)
    weights, without = (next(t.bytes for t in answer.memory.terms if t.name == "weights") for answer in (found, plain))
    assert weights > without


def test_three_layers_of_dspark_draft_a_block_in_one_pass():
    assert Speculation(method="dspark", num_speculative_tokens=5).passes == 1
    # A pass that takes all three layers: what MTP, which takes one a pass, does not.
    serving = Serving(
        engine_version="0.33.0", layout=Layout(tensor_parallel_size=4), max_num_seqs=256, max_num_batched_tokens=8192,
        kv_tokens=None, draft_tokens=5, acceptance_fraction=0.5, draft_passes=1,
    )  # fmt: skip
    launched = []
    for name in (DSPARK, MTP):
        shape = find_shape(name)
        drafting = step_time(shape.arch, shape.quantization, find_gpu("B200"), serving)._drafting
        assert drafting is not None
        launched.append(drafting.first._launch_s)
    assert launched[0] == pytest.approx(3 * launched[1])


@pytest.mark.parametrize(("stages", "begins"), [(1, True), (2, True), (3, False), (4, False), (5, False)])
def test_pipeline_stages_of_deepseek_v41_begin_where_keys_are_made(stages, begins):
    # 40 layers, whose keys are made by 2, 8, 14 and 20
    shape = find_shape(V41)
    found = layout_problems(shape.arch, shape.quantization, Layout(pipeline_parallel_size=stages))
    assert any("begin within layers that share keys: it may at 2, 8, 14, 20" in what for what in found) != begins


def test_shared_experts_of_deepseek_v4_are_padded_to_blocks():
    # 3,072 columns of 16 ranks are 192 each, which vLLM 0.25 to 0.33 cuts as 24 blocks of 128: two each
    shape = find_shape("deepseek-ai/DeepSeek-V4-Pro")
    assert problems(shape.arch, shape.quantization, 16) == ()


def test_padded_shared_experts_need_not_be_divisible():
    experts = Experts(experts=64, experts_per_token=6, intermediate=2048, shared_intermediate=2052, shared_block=128)
    group = find_shape(MTP).arch.layers[-1]
    arch = replace(find_shape(MTP).arch, layers=(group._replace(feed_forward=experts),))
    assert not [what for what in problems(arch, find_shape(MTP).quantization, 8) if "shared" in what]
    plain = replace(arch, layers=(group._replace(feed_forward=experts._replace(shared_block=1)),))
    assert [what for what in problems(plain, find_shape(MTP).quantization, 8) if "shared" in what]
