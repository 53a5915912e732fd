"""A plan and an estimate are one arithmetic: the estimate of a plan's own choice is the plan, on every profile."""

from __future__ import annotations

import pytest

from infercli.core.documents.profile import NodeGroup
from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.errors import InputError
from tests.core.kv_cache.test_multimodal_counts import WHISPER
from tests.core.plans import LLAMA_8B, LLAMA_70B, PROFILES, choice, locked, plan, profile

GPU_PROFILES = sorted(p.stem for p in PROFILES.glob("*.yaml") if p.stem not in ("prices", "cpu-local"))
MODELS = (
    LLAMA_8B,
    "Qwen/Qwen3-32B-FP8",
    "Qwen/Qwen3-30B-A3B",
    "MiniMaxAI/MiniMax-M2.5",
    "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-V3.2",
    "moonshotai/Kimi-K2.5",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3.5-35B-A3B",
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "google/gemma-4-26B-A4B-it",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "Qwen/Qwen3-VL-4B-Instruct",
)
"""Of every family: dense, mixtures, latent, hybrid, and each with encoders."""


def of_its_own_choice(made, model):
    """The estimate of a plan's engine, asked as a stranger would: by the engine's arguments."""
    args = {k: v for k, v in made.engine.engine_args.items() if k in EstimateRequest.model_fields}
    asked = args | {"model": model, "gpu": made.profile.gpu, "engine_version": made.engine.engine_version}
    if made.engine.quantization != shipped_model(model).quantization.method:
        asked["quantization"] = made.engine.quantization
    found = estimate(EstimateRequest.model_validate(asked), shipped_model(model))
    assert isinstance(found, Estimate), found
    return found


def agree(made, found):
    assert found.memory.terms == made.memory.terms
    assert (found.memory.total_bytes, found.memory.budget_bytes) == (made.memory.total_bytes, made.memory.budget_bytes)
    assert found.settings.max_num_seqs == made.engine.engine_args["max_num_seqs"]
    assert found.settings.max_num_batched_tokens == made.engine.engine_args["max_num_batched_tokens"]
    assert found.settings.max_model_len == made.engine.engine_args["max_model_len"]
    assert found.settings.dtype == made.engine.engine_args["dtype"]
    assert found.settings.gpu_memory_utilization == made.engine.engine_args["gpu_memory_utilization"]
    assert found.kv_cache.tokens_low == made.kv_cache.tokens
    assert found.kv_cache.concurrency_low == made.kv_cache.concurrency
    assert found.kv_cache.bytes_per_token == made.kv_cache.bytes_per_token
    if made.fits:
        assert found.starts is True
    if found.starts is False:
        assert made.fits is False
    assert made.engine.gpus == found.gpu_count


@pytest.mark.parametrize("on", GPU_PROFILES)
def test_the_estimate_of_a_plans_own_choice_is_the_plan(on):
    planned = 0
    for model in MODELS:
        stored = shipped_model(model).quantization.method
        try:
            made = plan(model, on, quantization=None if stored == "none" else stored)
        except InputError:  # a split or a format that does not run on this GPU
            continue
        planned += 1
        agree(made, of_its_own_choice(made, model))
    assert planned >= 11


def nodes(name, count):
    had = profile(name)
    return had.model_copy(update={"nodes": (NodeGroup(count=count, gpus=had.nodes[0].gpus),)})


@pytest.mark.parametrize(
    ("model", "on", "args", "gpus"),
    [
        (LLAMA_70B, nodes("h100-x2", 2), {"pipeline_parallel_size": 2}, 4),
        (LLAMA_70B, nodes("l4-x4", 4), {"pipeline_parallel_size": 4, "tensor_parallel_size": 4}, 16),
        ("Qwen/Qwen3-235B-A22B-FP8", nodes("h100-x8", 1), {"enable_expert_parallel": True}, 4),
        ("deepseek-ai/DeepSeek-R1", nodes("h100-x8", 2), {"pipeline_parallel_size": 2}, 16),
    ],
)
def test_pipelines_and_dealt_experts_are_planned_where_they_are_asked_for(model, on, args, gpus):
    made = plan(model, on, engine_args=args)
    assert made.fits is True, made.verdict
    assert made.engine.gpus == gpus
    assert all(made.engine.engine_args[name] == value for name, value in args.items())
    assert all(choice(made, name).given for name in args)
    agree(made, of_its_own_choice(made, model))


@pytest.mark.parametrize(
    ("model", "on", "args"),
    [
        ("Qwen/Qwen3-VL-4B-Instruct", "l4", {"language_model_only": True}),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "h100", {"limit_mm_per_prompt": {"image": 1, "video": 0}}),
        ("google/gemma-4-26B-A4B-it", "h100", {"limit_mm_per_prompt": {"image": 0, "video": 0}}),
        ("moonshotai/Kimi-K2.5", "h200-x8", {"mm_encoder_tp_mode": "data"}),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "h100", {"mm_processor_kwargs": {"max_pixels": 1_003_520}}),
    ],
)
def test_what_prompts_may_hold_is_planned_as_it_is_estimated(model, on, args):
    made, usual = plan(model, on, engine_args=args), plan(model, on)
    assert made.engine.engine_args.items() >= args.items()
    assert made.memory.terms != usual.memory.terms
    agree(made, of_its_own_choice(made, model))


def test_what_of_a_processor_is_not_counted_leaves_a_plan_open():
    counted, open_ = (
        plan("Qwen/Qwen2.5-VL-7B-Instruct", "h100", engine_args={"mm_processor_kwargs": said})
        for said in ({"max_pixels": 1_003_520}, {"max_pixels": 1_003_520, "fps": 1})
    )
    assert (counted.fits, open_.fits) == (True, None)
    assert "mm_processor_kwargs" in open_.verdict


def test_a_share_of_the_memory_that_is_never_free_is_refused():
    with pytest.raises(InputError, match="vLLM refuses to start where less is free than its share"):
        plan(LLAMA_8B, "l4", engine_args={"gpu_memory_utilization": 1.0})
    risky = plan(LLAMA_8B, "l4", engine_args={"gpu_memory_utilization": 0.97})
    assert any("outside the budget" in note for note in risky.notes)
    open_ = plan(LLAMA_8B, "l4", engine_args={"gpu_memory_utilization": 0.98})
    assert (risky.fits, open_.fits) == (True, None)
    assert "what the driver keeps may be more: vLLM then refuses" in open_.verdict


@pytest.mark.parametrize("model", [LLAMA_8B, "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-VL-4B-Instruct"])
def test_slots_for_adapters_are_counted_alike(model):
    split = {"tensor_parallel_size": 2}
    args = split | {"enable_lora": True, "max_loras": 4, "max_lora_rank": 64}
    made, without = (plan(model, "h100-x8", engine_args=a) for a in (args, split))
    assert made.fits is True, made.verdict
    agree(made, of_its_own_choice(made, model))
    weights, plain = (next(t for t in p.memory.terms if t.name == "weights") for p in (made, without))
    assert weights.bytes > plain.bytes
    assert "4 slots for adapters of rank 64" in weights.formula


def test_an_engine_over_several_nodes_says_so_and_fills_them():
    made = plan("deepseek-ai/DeepSeek-R1", nodes("h100-x8", 2), engine_args={"pipeline_parallel_size": 2})
    assert "16 x H100 (2 stages of 8, 2 nodes)" in made.verdict
    assert any("one engine spans 2 nodes" in n for n in made.notes)
    two = plan("deepseek-ai/DeepSeek-R1", nodes("h100-x8", 2), engine_args={"pipeline_parallel_size": 2}, replicas=2)
    assert two.fits is False
    assert "2 replicas of 16 GPUs are asked for, and its nodes hold 1" in two.verdict


def test_stages_that_do_not_fill_whole_nodes_are_refused():
    with pytest.raises(InputError, match="do not fill whole nodes of 8"):
        plan(LLAMA_70B, nodes("h100-x8", 3), engine_args={"tensor_parallel_size": 4, "pipeline_parallel_size": 3})


def test_a_refusal_offers_a_pipeline_over_nodes_that_are_there():
    made = plan("deepseek-ai/DeepSeek-R1", nodes("h100-x8", 2))
    assert made.fits is False
    words = [c.change for c in made.changes]
    assert "engine_args.tensor_parallel_size: 8 and engine_args.pipeline_parallel_size: 2, over 2 nodes" in words
    assert not any("over" in c.change for c in plan("deepseek-ai/DeepSeek-R1", "h100-x8").changes)


def test_expert_parallelism_of_a_model_without_experts_is_refused():
    with pytest.raises(InputError, match="expert parallelism needs experts"):
        plan(LLAMA_8B, "h100-x8", engine_args={"enable_expert_parallel": True})


@pytest.mark.parametrize(
    ("model", "on", "expected"),
    [
        ("deepseek-ai/DeepSeek-R1", "h200-x8", "each of 8 GPUs keeps the whole KV cache"),
        ("openai/gpt-oss-120b", "h100-x8", "18 of 36 layers keep only a window"),
        ("Qwen/Qwen3.5-35B-A3B", "h100-x8", "states beside attention"),
        ("Qwen/Qwen3-VL-4B-Instruct", "l40s", "encoders take"),
        ("meta-llama/Llama-3.1-70B-Instruct", "h100-x8", None),
    ],
)
def test_what_an_architecture_does_otherwise_than_it_seems_is_said(model, on, expected):
    notes = plan(model, on, quantization="mxfp4" if "gpt-oss" in model else None).notes
    if expected is None:
        assert not any(word in n for n in notes for word in ("latent", "window", "states", "encoders"))
    else:
        assert any(expected in n for n in notes), notes


def test_a_prompt_has_no_place_for_what_was_heard():
    model = locked(WHISPER)
    notes = plan(model.id, "l4", locked=model).notes
    assert any("encoders take" in n for n in notes)
    assert not any("an image counts as its tokens" in n for n in notes)


@pytest.mark.parametrize("args", [{"max_num_seqs": 0}, {"pipeline_parallel_size": 0}, {"max_num_batched_tokens": -1}])
def test_counts_of_nothing_are_refused_by_name(args):
    with pytest.raises(InputError, match=f"engine_args.{next(iter(args))}: must be at least 1"):
        plan(LLAMA_8B, "l4", engine_args=args)
