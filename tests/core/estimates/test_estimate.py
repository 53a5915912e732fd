"""What an estimate says of models, settings and versions."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate, read_request
from infercli.core.estimates.model import read_model, shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.shapes import shapes
from tests.core.configs import config_of
from tests.core.estimates.estimates import bytes_of
from tests.core.plans import plan as plan_of

BASES = ("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen2.5-7B-Instruct")


def answer(base: str, count: int, asked: dict, **changes) -> Estimate:
    config = config_of(shapes()[base].arch) | {"num_hidden_layers": count}
    request = EstimateRequest.model_validate(asked | {"config": config} | changes)
    found = estimate(request, read_model(base, config))
    assert isinstance(found, Estimate), found
    return found


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ("H100", "GiB are left for the KV cache, and one request of 40,960 tokens needs 10.00 GiB: 1."),
        ("L4", "GiB more than the budget, and one request of 40,960 tokens needs 10.00 GiB: 5"),
    ],
)
def test_what_is_missing_is_said_as_expected_and_at_worst(gpu, words):
    asked = EstimateRequest(model="Qwen/Qwen3-32B", gpu=gpu)
    found = estimate(asked, shipped_model("Qwen/Qwen3-32B"))
    assert isinstance(found, Estimate)
    assert words in found.reason
    assert f" are missing per GPU, {found.missing_bytes / 2**30:.2f} GiB at worst" in found.reason


def test_what_keeps_nothing_between_tokens_needs_no_kv_cache():
    found = estimate(EstimateRequest(model="BAAI/bge-m3", gpu="L4"), shipped_model("BAAI/bge-m3"))
    assert isinstance(found, Estimate)
    assert found.reason.endswith(" are left for the KV cache, and it keeps nothing between tokens")


def test_the_speed_of_what_may_not_start_is_that_of_an_engine_that_did():
    def asked(gib: float, clients: int) -> Estimate:
        found = estimate(
            EstimateRequest.model_validate({
                "model": "openai/gpt-oss-120b", "gpu": "H100", "gpu_memory_gib": gib, "engine_version": "0.11.0",
                "max_num_batched_tokens": 16384, "max_model_len": 8192,
                "workload": {"input_len": 200, "output_len": 200, "concurrency": clients},
            }),
            shipped_model("openai/gpt-oss-120b"),
        )  # fmt: skip
        assert isinstance(found, Estimate)
        return found

    sizes = (60 + step / 2 for step in range(60))
    edge = next(gib for gib in sizes if asked(gib, 1).starts is None)
    one, many = asked(edge, 1), asked(edge, 16)
    assert one.kv_cache.blocks == 0  # by the middle of the estimates it does not start
    assert one.speed is not None
    assert many.speed is not None
    # What starts holds one request of max_model_len: 20 of these.
    assert many.speed.output_tok_per_s.value > 3 * one.speed.output_tok_per_s.value


@pytest.mark.parametrize(
    ("model", "profile", "quantization"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "l4", None),
        ("meta-llama/Llama-3.1-8B-Instruct", "a100-80", None),
        ("meta-llama/Llama-3.1-70B-Instruct", "h100-x2", "fp8"),
        ("Qwen/Qwen3-32B", "a100-80", "fp8"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "a100-80", "awq"),
    ],
)
def test_the_estimate_of_a_plans_own_choice_is_the_plan(model, profile, quantization):
    plan = plan_of(model, profile, quantization=quantization)
    args = {k: v for k, v in plan.engine.engine_args.items() if k in EstimateRequest.model_fields}
    asked = args | {"model": model, "gpu": plan.profile.gpu, "engine_version": plan.engine.engine_version}
    if plan.engine.quantization != "none":
        asked["quantization"] = plan.engine.quantization
    found = estimate(EstimateRequest.model_validate(asked), shipped_model(model))
    assert isinstance(found, Estimate), found
    assert found.memory.terms == plan.memory.terms
    assert found.memory.budget_bytes == plan.memory.budget_bytes
    assert found.kv_cache.concurrency_low == plan.kv_cache.concurrency
    assert found.starts is plan.fits


@pytest.mark.parametrize(
    ("method", "in_vllm", "outside", "package"),
    [("gguf", "0.19.0", "0.29.0", "vllm-gguf-plugin"), ("bitsandbytes", "0.19.0", "0.29.0", "vllm-bnb-plugin")],
)
def test_what_left_vllm_is_sized_and_then_refused_with_a_way_out(method, in_vllm, outside, package):
    base = "meta-llama/Llama-3.1-8B-Instruct"
    before, after = (
        estimate(
            EstimateRequest(model=base, gpu="L40S", quantization=method, engine_version=version, max_model_len=4096),
            shipped_model(base),
        )
        for version in (in_vllm, outside)
    )
    assert isinstance(before, Estimate)
    assert isinstance(after, Estimate)
    assert before.starts is True
    assert after.starts is False
    assert package in after.reason
    assert "AWQ or W4A16" in after.reason
    assert 4.5 * 2**30 < bytes_of(after, "weights") < 6 * 2**30  # 8.03e9 parameters at 4.5 to 4.9 bits, and the tables


def test_ranks_that_split_data_split_experts_as_well():
    base = "Qwen/Qwen3-30B-A3B"
    found = estimate(
        EstimateRequest(model=base, gpu="H100", tensor_parallel_size=2, data_parallel_size=5), shipped_model(base)
    )
    assert isinstance(found, EstimateError)
    assert [p.what for p in found.problems] == ["expert width (768) is not divisible by 10"]
    dealt = EstimateRequest(
        model=base, gpu="H100", tensor_parallel_size=2, data_parallel_size=5, enable_expert_parallel=True
    )
    assert isinstance(estimate(dealt, shipped_model(base)), Estimate)


def test_a_split_that_the_kernels_of_the_gpu_refuse_is_refused_with_those_that_run():
    model = "nvidia/Gemma-4-26B-A4B-NVFP4"
    two = EstimateRequest(model=model, gpu="RTX-5090", tensor_parallel_size=2)
    found = estimate(two, shipped_model(model))
    assert isinstance(found, EstimateError)
    assert [(p.where, p.hint) for p in found.problems] == [("tensor_parallel_size", "possible: 1")]
    assert isinstance(estimate(two.model_copy(update={"gpu": "H100"}), shipped_model(model)), Estimate)


def test_context_parallelism_is_taken_where_kv_heads_are_repeated():
    asked = {"model": BASES[0], "gpu": "H200", "max_model_len": 8192, "tensor_parallel_size": 16}
    one, two = (
        estimate(read_request(asked | {"decode_context_parallel_size": n}), shipped_model(BASES[0])) for n in (1, 2)
    )
    assert two.kv_cache.tokens == 2 * one.kv_cache.tokens


def test_lengths_that_differ_widely_never_leave_a_request_outside_an_empty_engine():
    # 2,048 tokens at most on a 12 GB card: few requests fit, and sums of unequal lengths leave a rest that is not 0
    phi = {
        "architectures": ["PhiForCausalLM"], "vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240,
        "num_hidden_layers": 32, "num_attention_heads": 32, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
    }  # fmt: skip
    load = {
        "input_len": 1000, "output_len": 1, "concurrency": 64, "ttft_p99_ms": 10, "length_spread_fraction": 4,
        "length_shape": "skewed",
    }  # fmt: skip
    asked = {"model": "phi", "gpu": "RTX-3060", "engine_version": "0.10.1", "block_size": 128, "workload": load}
    found = estimate(EstimateRequest.model_validate(asked), read_model("phi", phi))
    assert isinstance(found, Estimate), found
    assert found.speed is not None
    assert found.speed.requests_per_s.value > 0


@pytest.mark.parametrize("version", ["foo", "0", "", "0.99.0"])
def test_a_version_that_is_none_is_said_beside_what_else_is_wrong(version):
    request = EstimateRequest(model=BASES[0], gpu="H100", engine_version=version, tensor_parallel_size=7)
    refused = estimate(request, shipped_model(BASES[0]))
    assert isinstance(refused, EstimateError)
    assert {p.where for p in refused.problems} == {"engine_version", "tensor_parallel_size"}


def batch(model: str, gpu: str, version: str = "0.29.0", **asked) -> int | str:
    """Tokens of the batch, or why vLLM refuses it."""
    length = {"max_model_len": 8192} | asked
    request = EstimateRequest.model_validate({"model": model, "gpu": gpu, "engine_version": version} | length)
    found = estimate(request, shipped_model(model))
    if isinstance(found, Estimate):
        return found.settings.max_num_batched_tokens
    assert {p.where for p in found.problems} == {"max_num_batched_tokens"}
    return found.problems[0].what


def test_smaller_images_leave_more_for_the_cache_and_what_is_not_counted_is_said():
    asked = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "gpu": "L4", "max_model_len": 32768, "engine_version": "0.29.0"}

    def found(**kwargs):
        request = EstimateRequest.model_validate(asked | {"mm_processor_kwargs": kwargs})
        answer = estimate(request, shipped_model("Qwen/Qwen2.5-VL-7B-Instruct"))
        assert isinstance(answer, Estimate)
        assert answer.memory is not None
        activation = next(t.bytes for t in answer.memory.terms if t.name == "activation")
        return activation, [note for note in answer.notes if "mm_processor_kwargs" in note]

    (whole, unsaid), (small, said), (same, fps) = found(), found(max_pixels=1_003_520), found(fps=1)
    assert small < whole == same
    assert unsaid == said == []
    assert fps == ["what mm_processor_kwargs change by fps is not counted: the processor is taken as it is"]
    with pytest.raises(ValidationError, match="max_pixels"):
        found(max_pixels=0)
    with pytest.raises(ValidationError, match="max_pixels"):
        found(size={"longest_edge": "large"})


def test_a_model_that_takes_videos_whole_gets_a_batch_that_holds_one():
    # vLLM 0.29 v1/core/encoder_cache_manager.py; 0.22 and later engine/arg_utils.py _get_min_mm_batched_tokens
    whole, cut = "google/gemma-4-26B-A4B-it", "google/gemma-4-E4B-it"  # use_bidirectional_attention: vision, none
    assert batch(whole, "A100-80-SXM") == 2496
    assert batch("google/gemma-4-12B-it", "A100-80-SXM") == 2496  # without an encoder, and as whole
    assert batch(whole, "H100") == 8192
    assert "2,048 is less than the 2,496 tokens" in batch(whole, "A100-80-SXM", max_num_batched_tokens=2048)
    assert "takes 2,048 here where nobody says it" in batch(whole, "A100-80-SXM", "0.21.0")
    assert batch(whole, "A100-80-SXM", max_num_batched_tokens=2048, limit_mm_per_prompt={"video": 0}) == 2048
    assert batch(cut, "A100-80-SXM", max_num_batched_tokens=2048) == 2048


def test_an_encoder_takes_prompts_whole():
    # vLLM 0.29 config/model.py is_chunked_prefill_supported, config/scheduler.py verify_max_model_len
    assert batch("BAAI/bge-m3", "L4") == 8192
    assert batch("BAAI/bge-m3", "L4", max_model_len=512) == 2048
    assert batch("BAAI/bge-m3", "L4", "0.11.0", max_model_len=512) == 512  # _set_default_args_v1: the length itself
    assert "XLMRobertaModel takes prompts whole" in batch("BAAI/bge-m3", "L4", max_num_batched_tokens=2048)
    assert batch("intfloat/e5-mistral-7b-instruct", "H100", max_num_batched_tokens=2048) == 2048  # a decoder


def test_more_sequences_than_the_default_batch_are_refused_where_nobody_says_the_batch():
    # vLLM 0.29 config/scheduler.py: max_num_batched_tokens must be greater than or equal to max_num_seqs
    assert "less than max_num_seqs (4,096)" in batch(BASES[0], "A100-80-SXM", max_num_seqs=4096)
    assert batch(BASES[0], "A100-80-SXM", max_num_seqs=4096, max_num_batched_tokens=4096) == 4096
    assert batch(BASES[0], "A100-80-SXM", max_num_seqs=2048) == 2048
    assert batch(BASES[0], "A100-80-SXM", max_num_seqs=1, max_model_len=1024) == 1024  # engine/arg_utils.py since 0.12


LLAMA = BASES[0]


def asked_of(config: dict | None = None, **asked) -> Estimate:
    request = EstimateRequest.model_validate({"model": LLAMA, "max_model_len": 2048} | asked)
    found = estimate(request, shipped_model(LLAMA) if config is None else read_model(LLAMA, config))
    assert isinstance(found, Estimate), found
    return found


def test_a_quantization_that_stands_for_several_is_met_by_any_of_them():
    gptq = config_of(shapes()[LLAMA].arch) | {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    assert asked_of(gptq, gpu="H100", quantization="q4").settings.quantization == "gptq"


def test_what_is_quantized_while_it_loads_is_no_guess_at_a_checkpoint():
    fp8, online = (asked_of(gpu="H100", engine_version="0.18.0", quantization=q) for q in ("fp8", "fp8-online"))
    assert fp8.notes == ("planned as a usual fp8 checkpoint: its config does not say so itself",)
    assert online.notes == ()


def test_which_of_several_gpus_a_name_was_taken_for_is_said_where_nobody_says_its_memory():
    guessed = asked_of(gpu="A100", engine_version="0.18.0")
    assert guessed.notes[0].startswith("A100 is taken for A100-80-SXM")
    said = asked_of(gpu="A100", gpu_memory_gib=40, engine_version="0.18.0")
    assert said.notes == ()
    assert said.memory.total_bytes == 40 * 2**30
    assert said.gpu == "A100-40-SXM"  # and so not with the bandwidth of the 80 GB one


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("nvidia/Llama-3.1-8B-Instruct-NVFP4", "NVFP4"),
        ("models/Llama-3.1-8B-AWQ/config.json", "AWQ"),
        ("nvidia--Llama-3.1-8B-FP8_config.json", "FP8"),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
        ("int8-trials/2026/Llama/config.json", None),  # a folder far above is no name of the model
        ("fp80/sprint4", None),
    ],
)
def test_a_name_that_says_a_quantization_of_which_its_config_is_silent_is_doubted(name, named):
    model = read_model(name, config_of(shapes()["meta-llama/Llama-3.1-8B-Instruct"].arch))
    asked = EstimateRequest(model=name, gpu="H100", engine_version="0.18.0", max_model_len=4096)
    said = [n for n in estimate(asked, model).notes if "its config says no quantization" in n]
    assert [n.startswith(f"{name} is called {named}, ") for n in said] == ([] if named is None else [True])
    stated = estimate(asked.model_copy(update={"quantization": "none"}), model)
    assert not any("is called" in n for n in stated.notes)


def test_less_memory_than_a_gpu_has_is_no_silent_slice_of_it():
    (note,) = asked_of(gpu="H100", gpu_memory_gib=9.75, engine_version="0.18.0").notes
    assert note.startswith("9.75 GiB is no memory of H100, which has 79.11 GiB")
    assert asked_of(gpu="H100", gpu_memory_gib=79.2, engine_version="0.18.0").notes == ()


def test_what_does_not_fit_does_not_start_whatever_class_its_version_has():
    small, large = (
        estimate(
            EstimateRequest(model="Qwen/Qwen3-8B", gpu=gpu, engine_version="0.6.0", max_model_len=2048),
            shipped_model("Qwen/Qwen3-8B"),
        )
        for gpu in ("T4", "H200")
    )
    assert (small.starts, large.starts) == (False, None)
    assert "does not have Qwen3ForCausalLM" in large.reason
    assert "does not have Qwen3ForCausalLM" not in small.reason


def test_gpus_beyond_those_of_one_engine_are_replicas():
    assert asked_of(gpu="H100", gpu_count=6, tensor_parallel_size=2).replicas == 3
    assert asked_of(gpu="H100", tensor_parallel_size=2).replicas == 1


def test_a_name_beside_a_config_need_not_be_known():
    wrong = read_request({"model": "my/own", "config": {}, "gpu": "H100", "max_num_seqs": -1})
    assert [p.where for p in wrong.problems] == ["max_num_seqs"]
    wrong = read_request({"model": "my/own", "gpu": "H100", "max_num_seqs": -1})
    assert {p.where for p in wrong.problems} == {"max_num_seqs", "model"}


def test_memory_beside_the_name_of_several_gpus_says_which_is_meant():
    asked = EstimateRequest(model="Qwen/Qwen3-8B", gpu="RTX 5060 Ti", gpu_memory_gib=15.5)
    assert estimate(asked, shipped_model(asked.model)).gpu == "RTX-5060-Ti-16"
    wrong = read_request({"model": "Qwen/Qwen3-8B", "gpu": "RTX 5060 Ti", "gpu_memory_gib": 15.5, "max_num_seqs": -1})
    assert [p.where for p in wrong.problems] == ["max_num_seqs"]
    wrong = read_request({"model": "Qwen/Qwen3-8B", "gpu": "RTX 5060 Ti", "gpu_memory_gib": 1e999, "max_num_seqs": -1})
    assert {p.where for p in wrong.problems} == {"gpu", "gpu_memory_gib", "max_num_seqs"}


def test_a_misspelt_key_is_answered_with_the_nearest_in_its_place():
    wrong = read_request({"modle": "x", "gpu": "L4", "workload": {"input_len": 5, "output_len": 3, "concurency": 2}})
    assert [(p.where, p.what.partition("; ")[2]) for p in wrong.problems] == [
        ("workload.concurency", "did you mean `concurrency`?"),
        ("modle", "did you mean `model`?"),
    ]


def test_a_checkpoint_whose_unquantized_layers_are_assumed_is_not_refused_for_their_weight():
    # Public NVFP4 checkpoints of the 27B take 17.6 to 23 GiB, by what they leave out: a log of 0.26 has 7.33 GiB of KV
    request = EstimateRequest(
        model="Qwen/Qwen3.8-27B", quantization="nvfp4", gpu="RTX-5090", engine_version="0.26.0",
        gpu_memory_utilization=0.95, max_model_len=131072, max_num_seqs=1, kv_cache_dtype="fp8",
    )  # fmt: skip
    found = estimate(request, shipped_model(request.model))
    assert found.starts is None
    # What the checkpoint states is believed, and so is an estimate that no such error reaches.
    stated = {
        "quantization": {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": ["lm_head", "*linear_attn*"]}
    }
    heavy = request.model_copy(update={"quantization": None})
    assert estimate(heavy, shipped_model(request.model, stated)).starts is False
    assert estimate(request.model_copy(update={"gpu": "RTX-4090"}), shipped_model(request.model)).starts is False


def test_a_quantization_that_the_name_of_the_checkpoint_says_is_no_other_one():
    asked = {"model": "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "gpu": "H100"}
    found = estimate(EstimateRequest.model_validate(asked | {"quantization": "w4a16"}), shipped_model(asked["model"]))
    assert isinstance(found, Estimate)
    assert any("is gptq, which its name calls w4a16" in note for note in found.notes)
    refused = estimate(EstimateRequest.model_validate(asked | {"quantization": "awq"}), shipped_model(asked["model"]))
    assert isinstance(refused, EstimateError)
