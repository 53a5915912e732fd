"""What the Kubernetes target is given: arguments that were chosen for it, and laws that any choice keeps."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.engines import find_engine
from infercli.core.engines.arguments import unplanned
from infercli.core.planning.gpu import GpuPlanner
from infercli.core.planning.gpu_outcome import gpu_outcome
from infercli.core.shapes import find_shape, shapes
from infercli.errors import InputError, InvalidFile, Unsupported
from tests.core.configs import counted_ids
from tests.core.plans import LLAMA_8B, LLAMA_70B, PROFILES, choice, deployment, plan, profile, term


def test_what_the_user_said_is_kept_and_marked_and_reaches_the_engine():
    made = plan(engine_args={"max_model_len": 4096, "max_num_seqs": 64, "enable_prefix_caching": False})
    assert made.engine.engine_args["max_model_len"] == 4096
    assert made.engine.engine_args["enable_prefix_caching"] is False
    assert choice(made, "max_model_len").given
    assert choice(made, "max_num_seqs").given
    assert not choice(made, "max_num_batched_tokens").given


def test_batch_sizes_are_always_said_since_an_engine_under_ray_may_not_see_its_gpu():
    # vLLM's defaults: engine/arg_utils.py get_batch_defaults, server
    h100, a100 = plan(LLAMA_8B, "h100").engine.engine_args, plan(LLAMA_8B, "a100-80").engine.engine_args
    assert (h100["max_num_seqs"], h100["max_num_batched_tokens"]) == (1024, 8192)
    assert (a100["max_num_seqs"], a100["max_num_batched_tokens"]) == (256, 2048)


def test_no_machine_is_offered_with_several_gpus_that_share_its_memory():
    one = {"nodes": [{"count": 1, "gpus": 1}], "price": None, "quantizations": ["none"]}
    grown = {
        gpu: [c.change for c in plan(LLAMA_70B, profile("l4", gpu=gpu, **one)).changes if "GPUs per node" in c.change]
        for gpu in ("A100-80-SXM", "GB10")
    }
    assert grown == {"A100-80-SXM": ["a profile with 4 GPUs per node"], "GB10": []}


def test_a_batch_that_is_not_vllms_default_says_why():
    # vLLM 0.29 config/scheduler.py refuses a batch below max_num_seqs, and keeps its default of 2,048 for them all
    more = plan(LLAMA_8B, "a100-80", engine_args={"max_num_seqs": 4096})
    assert more.engine.engine_args["max_num_batched_tokens"] == 4096
    assert choice(more, "max_num_batched_tokens").reason.startswith("raised to max_num_seqs")


def test_the_kv_cache_is_never_fp8_unless_somebody_says_so():
    assert plan(LLAMA_8B, "h100").engine.engine_args["kv_cache_dtype"] == "auto"
    plain, fp8 = plan(LLAMA_8B, "h100"), plan(LLAMA_8B, "h100", engine_args={"kv_cache_dtype": "fp8"})
    assert fp8.kv_cache.bytes_per_token * 2 == plain.kv_cache.bytes_per_token
    asked = plan("nvidia/Llama-3.1-70B-Instruct-FP8", "h100-x2")
    assert asked.kv_cache.bytes_per_token == 2 * 80 * 4 * 128
    assert choice(asked, "kv_cache_dtype").reason == "the checkpoint asks for an FP8 KV cache"


def test_the_cache_of_compressed_attention_is_fp8_since_there_is_no_other():
    made = plan("deepseek-ai/DeepSeek-V4-Flash", "h200-x8")
    chosen = next(c for c in made.choices if c.name == "kv_cache_dtype")
    assert (chosen.value, chosen.given, made.engine.engine_args["kv_cache_dtype"]) == ("fp8", False, "fp8")
    assert "compressed attention has no other" in chosen.reason
    assert any(note.startswith("every layer keeps a window of the tokens") for note in made.notes)


def test_a_t4_computes_in_float16():
    made = plan("meta-llama/Llama-3.2-3B-Instruct", profile("l4", gpu="T4"), quantization="none")
    assert made.engine.engine_args["dtype"] == "float16"
    with pytest.raises(InputError, match=r"bfloat16 needs compute capability 8\.0"):
        plan("meta-llama/Llama-3.2-3B-Instruct", profile("l4", gpu="T4"), engine_args={"dtype": "bfloat16"})


def test_the_smallest_tensor_parallel_size_that_fits_is_chosen():
    assert plan(LLAMA_8B, "h100-x8").engine.gpus == 1
    assert plan(LLAMA_70B, "h100-x8", quantization="none").engine.gpus == 4
    assert plan("meta-llama/Llama-3.1-405B-Instruct", "h100-x8", quantization="fp8").engine.gpus == 8


def test_a_node_whose_number_of_gpus_divides_no_heads_is_used_in_part():
    assert plan(LLAMA_70B, profile("h100-x8", nodes=[{"gpus": 3}]), quantization="fp8").engine.gpus == 2
    made = plan(LLAMA_70B, profile("h100-x8", nodes=[{"gpus": 6}]), quantization="none")
    assert made.fits
    assert made.engine.gpus == 4


def test_an_impossible_tensor_parallel_size_is_refused_with_the_rule_and_what_is_possible():
    with pytest.raises(InputError) as refused:
        plan("Qwen/Qwen3-14B", "h100-x8", engine_args={"tensor_parallel_size": 5})
    assert "attention heads (40)" not in refused.value.message
    assert "padded vocabulary (151936) is not divisible by 5" in refused.value.message
    assert "1, 2, 4, 8" in refused.value.hint


def test_a_split_that_the_kernels_of_the_gpu_refuse_is_not_planned():
    # vllm-project/vllm#39595: two halves of 352 fill no tiles of 128 rows, on RTX; Hopper has another kernel
    model, two = "nvidia/Gemma-4-26B-A4B-NVFP4", {"engine_args": {"tensor_parallel_size": 2}}
    taken = {"quantizations": ["nvfp4"]}
    with pytest.raises(InputError, match="twice a width of 352 per GPU is not a multiple of NVFP4's 128 rows"):
        plan(model, profile("h100-x8", gpu="RTX-PRO-6000-Server", **taken), **two)
    assert plan(model, profile("h100-x8", **taken), **two).engine.gpus == 2


@pytest.mark.parametrize(
    "asked", [{"engine_args": {"max_model_len": 650}}, {"workload": {"max_context_tokens": 650, "concurrency": 4}}]
)
def test_a_request_that_nobody_described_is_no_longer_than_what_may_be_asked(asked):
    made = plan(**asked)
    assert made.fits is True
    workload = made.deployment.workload
    assert (workload.input_tokens, workload.output_tokens) == (500, 150)  # 1,000 and 300, halved


def test_a_given_length_beyond_the_model_or_below_the_workload_is_refused():
    with pytest.raises(InputError, match="131,072"):
        plan(engine_args={"max_model_len": 200_000})
    with pytest.raises(InputError, match="1,300 tokens a request"):
        plan(engine_args={"max_model_len": 1024}, workload={"input_tokens": 1000})
    with pytest.raises(InputError, match="max_context_tokens"):
        plan(workload={"input_tokens": 4000, "output_tokens": 300, "max_context_tokens": 4096})


def test_the_longest_context_that_is_asked_for_decides_the_length():
    made = plan(LLAMA_8B, "h100", workload={"max_context_tokens": 20_000})
    assert made.engine.engine_args["max_model_len"] == 20_000
    assert choice(made, "max_model_len").given


def test_a_length_that_does_not_fit_is_answered_with_the_one_that_does():
    made = plan(LLAMA_8B, "l4", quantization="none", engine_args={"max_model_len": 131_072})
    assert made.fits is False
    change = next(c for c in made.changes if c.change.startswith("engine_args.max_model_len"))
    length = int(change.change.split(": ")[1])
    assert plan(LLAMA_8B, "l4", quantization="none", engine_args={"max_model_len": length}).fits is True
    assert length > 20_000


def test_more_concurrency_than_the_kv_cache_holds_is_a_no_with_the_concurrency_that_fits():
    made = plan(LLAMA_8B, "l4", quantization="none", workload={"concurrency": 400})
    assert made.fits is False
    assert any(c.change.startswith("workload.concurrency: ") for c in made.changes)
    assert any(c.change.startswith("engine_args.kv_cache_dtype: fp8") for c in made.changes) is False


def test_replicas_share_the_workload_and_must_find_nodes():
    one = plan(LLAMA_8B, "l4-pool", workload={"concurrency": 64}, quantization="none")
    four = plan(LLAMA_8B, "l4-pool", workload={"concurrency": 64}, quantization="none", replicas=4)
    assert one.fits is False
    assert four.fits is True
    assert "2 of 4 replicas wait until the pool has added nodes" in four.notes
    three = plan(LLAMA_8B, "l4-pool", workload={"concurrency": 16}, quantization="none", replicas=3)
    assert ", 6 of " in three.verdict  # the most that one of three has of 16
    many = plan(LLAMA_8B, "l4-pool", quantization="awq", replicas=9)
    assert many.fits is False
    assert [c.change for c in many.changes if c.change.startswith("replicas")] == ["replicas: 8"]


def test_memory_that_others_hold_lowers_the_utilization():
    made = plan(LLAMA_8B, profile("h100", reserved_gpu_memory_gib=20))
    # (79.11 - 20 - 1.6) / 79.11 = 0.7269
    assert made.engine.engine_args["gpu_memory_utilization"] == 0.72
    with pytest.raises(InputError, match="others hold"):
        plan(LLAMA_8B, profile("h100", reserved_gpu_memory_gib=20), engine_args={"gpu_memory_utilization": 0.9})


def test_an_argument_whose_memory_is_not_planned_leaves_the_question_open():
    made = plan(LLAMA_8B, "h100", engine_args={"enable_sleep_mode": True})
    assert made.fits is None
    assert "enable_sleep_mode" in made.verdict


def test_adapters_are_planned_whichever_are_named_to_be_loaded():
    args = {"enable_lora": True, "max_loras": 4, "max_lora_rank": 64, "lora_modules": [{"name": "a", "path": "/a"}]}
    made = plan(LLAMA_8B, "h100", engine_args=args)
    assert made.fits is True
    assert made.engine.engine_args.items() >= args.items()
    with pytest.raises(InputError, match=r"engine_args\.max_lora_rank: 24 is none that vLLM takes") as refused:
        plan(LLAMA_8B, "h100", engine_args=args | {"max_lora_rank": 24})
    assert "1, 8, 16, 32" in refused.value.hint


@pytest.mark.parametrize(
    ("model", "on", "quantization", "args"),
    [
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "h100-x2", None, {}),  # a class that is not told
        ("openai/gpt-oss-20b", "h100", "mxfp4", {}),  # quantized experts
        (LLAMA_8B, "h100", None, {"fully_sharded_loras": True}),
    ],
)
def test_adapters_that_are_not_told_leave_the_question_open(model, on, quantization, args):
    made = plan(model, on, quantization=quantization, engine_args={"enable_lora": True} | args)
    assert made.fits is None
    assert next(iter(args), "enable_lora") in made.verdict


def test_adapters_on_the_local_target_leave_the_question_open():
    assert unplanned({"enable_lora": True}, "cpu") == ["enable_lora"]
    assert unplanned({"enable_lora": True}, "gpu") == []


def test_how_states_are_kept_leaves_it_open_and_their_dtype_is_planned():
    model = "Qwen/Qwen3-Next-80B-A3B-Instruct"
    plain, wide, paged = (
        plan(model, "h200-x8", engine_args={"tensor_parallel_size": 4, "max_num_seqs": 64} | more)
        for more in ({}, {"mamba_ssm_cache_dtype": "float32"}, {"mamba_cache_mode": "all"})
    )
    assert wide.engine.engine_args["mamba_ssm_cache_dtype"] == "float32"
    assert plain.kv_cache.concurrency > wide.kv_cache.concurrency  # each request holds twice as much of states
    assert paged.fits is None
    assert "mamba_cache_mode" in paged.verdict
    assert plan(model, "h200-x8", engine_args={"mamba_cache_mode": "none", "tensor_parallel_size": 4}).fits is not None


def test_windows_hold_every_token_without_the_hybrid_manager():
    args = {"tensor_parallel_size": 4, "max_model_len": 131072, "disable_hybrid_kv_cache_manager": True}
    made = plan("google/gemma-3-27b-it", "h200-x8", engine_args=args)
    assert made.engine.engine_args["disable_hybrid_kv_cache_manager"] is True
    assert made.kv_cache.concurrency == pytest.approx(made.kv_cache.tokens / 131072, rel=1e-4)  # 62 layers, all alike
    assert made.kv_cache.bytes_per_token == 62 * 2 * 16 // 4 * 128 * 2


@pytest.mark.parametrize(
    "args",
    [{"enable_eplb": True}, {"offload_group_size": 8}, {"skip_mm_profiling": True}, {"mm_ipc_gpu_memory_gb": 20.0}],
)
def test_what_moves_weights_or_the_peak_of_encoders_leaves_it_open(args):
    made = plan("google/gemma-3-27b-it", "h200-x8", engine_args=args)
    assert made.fits is None
    assert next(iter(args)) in made.verdict


def test_a_batch_that_must_hold_whole_prompts_leaves_it_open_on_a_gpu():
    assert plan(LLAMA_8B, "h100", engine_args={"enable_chunked_prefill": False}).fits is None
    assert plan(LLAMA_8B, "h100", engine_args={"enable_lora": False, "enable_chunked_prefill": True}).fits is True


def test_a_batch_smaller_than_its_sequences_is_refused_and_one_that_is_not_given_follows():
    with pytest.raises(InvalidFile, match="must be at least max_num_seqs"):
        plan(engine_args={"max_num_seqs": 512, "max_num_batched_tokens": 256})
    assert plan(LLAMA_8B, "h100", engine_args={"max_num_batched_tokens": 512}).engine.engine_args["max_num_seqs"] == 512
    args = plan(LLAMA_8B, "a100-80", engine_args={"max_num_seqs": 4096}).engine.engine_args
    assert args["max_num_batched_tokens"] == 4096


def test_too_little_room_outside_the_budget_is_said():
    # 23.52 GiB x 2 % = 0.47 GiB for a CUDA context of 0.6 and 12 B x 256 x 151936 = 0.43 GiB of sampling
    made = plan("Qwen/Qwen3-4B", "rtx4090", quantization="awq", engine_args={"gpu_memory_utilization": 0.98})
    assert any("0.47 GiB are left outside the budget" in n and "1.03 GiB" in n for n in made.notes)
    assert not any("outside the budget" in n for n in plan("Qwen/Qwen3-4B", "rtx4090", quantization="awq").notes)


def test_gpus_that_talk_over_pcie_are_said_to():
    made = plan("Qwen/Qwen3-32B", "l4-x4", quantization="awq", engine_args={"tensor_parallel_size": 4})
    assert any("PCIe" in n for n in made.notes)


def test_eager_engines_pay_nothing_for_graphs():
    eager = plan(LLAMA_8B, "l4", quantization="awq", engine_args={"enforce_eager": True})
    assert term(eager, "cuda_graphs").high_bytes == 0


GPU_PROFILES = [profile(p.stem) for p in PROFILES.glob("*.yaml") if p.stem not in ("prices", "cpu-local")]


@given(
    st.sampled_from(sorted(counted_ids())),
    st.sampled_from(GPU_PROFILES),
    st.sampled_from([None, "none", "q4", "fp8", "int8"]),
    st.integers(1, 200),
    st.integers(1, 1500),
)
@settings(max_examples=150)
def test_whatever_is_said_to_fit_holds_its_workload_and_its_own_length(model, hardware, method, concurrency, tokens):
    workload = {"input_tokens": tokens, "output_tokens": 100, "concurrency": concurrency}
    try:
        made = plan(model, hardware, quantization=method, workload=workload)
    except InputError:
        return  # an FP8 model that is asked to be something else
    args, cache = made.engine.engine_args, made.kv_cache
    assert made.engine.gpus <= hardware.gpus_per_node
    assert tokens + 100 <= args["max_model_len"] <= shapes()[model].arch.max_model_len
    assert args["max_num_seqs"] <= args["max_num_batched_tokens"]
    assert (made.fits is True) <= (made.missing_bytes == 0)
    assert all(plan_change.effect.startswith("fits on") for plan_change in made.changes)
    if made.fits:
        assert cache.concurrency >= 1
        assert cache.blocks > concurrency * -(-(tokens + 100) // 16)
        assert made.changes == ()


@given(st.sampled_from(sorted(counted_ids())), st.integers(1, 100), st.integers(1, 100))
@settings(max_examples=60)
def test_less_concurrency_never_takes_more_gpus(model, one, other):
    few, many = (plan(model, "h100-x8", workload={"concurrency": n}) for n in (min(one, other), max(one, other)))
    if many.fits:
        assert few.fits
        assert few.engine.gpus <= many.engine.gpus


def drafting(of, /, **speculative):
    return plan(of, "h100-x8", engine_args={"speculative_config": {"num_speculative_tokens": 3} | speculative})


def test_speculation_that_loads_no_other_model_is_planned_and_any_other_is_left_open():
    plain = plan(LLAMA_8B, "h100-x8")
    grams = drafting(LLAMA_8B, method="ngram")
    assert term(grams, "weights") == term(plain, "weights")
    assert grams.kv_cache.bytes_per_token == plain.kv_cache.bytes_per_token
    assert grams.kv_cache.blocks < plain.kv_cache.blocks  # the V1 runner serves it, and its profile checks the drafts
    other = drafting(LLAMA_8B, method="eagle3", model="somebody/head")
    assert other.fits is None
    assert "speculative_config" in other.verdict
    with pytest.raises(Unsupported, match="has none"):
        drafting(LLAMA_8B, method="mtp")


@pytest.mark.parametrize("method", ["mtp", "glm4_moe_mtp"])
def test_draft_layers_of_the_checkpoint_are_loaded_where_they_draft(method):
    glm = "zai-org/GLM-4.5-Air"
    plain, drafted = plan(glm, "h100-x8"), drafting(glm, method=method)
    assert drafted.fits is True
    assert any("1 draft layer is not loaded" in note for note in plain.notes)
    assert not any("not loaded: speculation" in note for note in drafted.notes)
    assert term(drafted, "weights").bytes > term(plain, "weights").bytes
    # 46 layers and one that drafts
    assert drafted.kv_cache.bytes_per_token * 46 == plain.kv_cache.bytes_per_token * 47


def test_of_several_problems_each_has_its_own_hint():
    with pytest.raises(InputError) as refused:
        plan(LLAMA_8B, "l4", engine_args={"gpu_memory_utilization": 0.999, "dtype": "float17"})
    share, dtype = refused.value.message.splitlines()
    assert share.endswith("; lower it, or leave it out")
    assert "is none that vLLM takes; one of auto" in dtype
    assert refused.value.hint is None


def test_a_share_of_the_memory_that_is_too_small_is_offered_to_be_left_out():
    made = plan(LLAMA_8B, "l4", quantization="awq", engine_args={"gpu_memory_utilization": 0.3})
    assert made.fits is False
    assert made.changes[0].change == "without engine_args.gpu_memory_utilization"


def test_a_share_that_leaves_too_little_to_the_driver_is_offered_as_large_as_it_may_be():
    # Two GPUs of 15.47 GiB: 0.92 leaves 1.24 GiB, and NCCL's context takes more before vLLM looks.
    two = profile("l4", gpu="RTX-5080", nodes=[{"gpus": 2, "count": 1}], price=None)

    def asked(**args):
        return plan(LLAMA_8B, two, quantization="none", engine_args={"tensor_parallel_size": 2} | args)

    made = asked()
    assert made.fits is None
    offered = re.fullmatch(r"engine_args.gpu_memory_utilization: (0\.\d+)", made.changes[0].change)
    assert offered is not None
    share = float(offered[1])
    assert asked(gpu_memory_utilization=share).verdict == made.changes[0].effect
    assert asked(gpu_memory_utilization=share).fits is True
    assert asked(gpu_memory_utilization=round(share + 0.01, 2)).fits is None


def test_the_largest_images_that_fit_are_offered_where_an_encoder_needs_too_much():
    def asked(said=None):
        return plan(
            "Qwen/Qwen2.5-VL-7B-Instruct", "l4", engine_args={} if said is None else {"mm_processor_kwargs": said}
        )

    refused = asked()
    (offered,) = [c for c in refused.changes if "mm_processor_kwargs" in c.change]
    said = json.loads(offered.change.removeprefix("engine_args.mm_processor_kwargs: "))
    fitting, larger = asked(said), asked({"max_pixels": 2 * said["max_pixels"]})
    assert (fitting.fits, fitting.verdict) == (True, offered.effect)
    assert larger.fits is not True
    assert not [c for c in larger.changes if "mm_processor_kwargs" in c.change]  # whoever says it is not told another


def test_draft_layers_of_dspark_are_loaded_where_they_draft():
    model = "deepseek-ai/DeepSeek-V4-Flash-0731"
    plain, drafted = plan(model, "h100-x8"), drafting(model, method="dspark")
    assert drafted.fits is True
    assert any("3 draft layers are not loaded" in note for note in plain.notes)
    assert term(drafted, "weights").bytes > term(plain, "weights").bytes


@pytest.mark.parametrize(
    ("model", "version", "said"),
    [
        ("deepseek-ai/DeepSeek-V4.1-Flash", "0.33.0", "2 tables of n-grams (188.8 GiB) lie in host memory"),
        ("Qwen/Qwen3.8-Flash-Next", "0.33.0", "vLLM keeps 95.4 GiB of the weights, its n-gram table"),
        ("Qwen/Qwen3.8-Flash-Next", "0.29.0", None),
    ],
)
def test_a_plan_says_how_much_memory_the_machine_needs_besides(model, version, said):
    shape, on = find_shape(model), profile("h200-x8")
    facts = find_engine(version)
    planner = GpuPlanner(shape.arch, shape.quantization, on.linked_gpu(), facts, deployment(model), on)
    assert [note.startswith(said or "") for note in gpu_outcome(planner).notes if "n-gram" in note] == [True] * bool(
        said
    )
