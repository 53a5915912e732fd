"""What holds of every estimate, whatever the model, the GPU and the settings."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from infercli.core.estimate import Estimate, EstimateError, EstimateRequest
from infercli.core.estimating import estimate, read_model, read_request, shipped_model
from infercli.core.gpus import GPUS
from infercli.core.shapes import shapes
from tests.core.configs import config_of
from tests.core.plans import plan as plan_of

BASES = ("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen2.5-7B-Instruct")
VERSIONS = ("0.8.5", "0.11.0", "0.19.0", "0.29.0")
ORDER = {False: 0, None: 1, True: 2}
"""Of what is said of the start: no, cannot be told, yes."""

layers = st.integers(1, 96)
gpus = st.sampled_from(["T4", "L4", "RTX-4090", "L40S", "A100-80-SXM", "H100", "H200", "B200", "MI300X"])
requests = st.fixed_dictionaries({
    "gpu": gpus,
    "engine_version": st.sampled_from(VERSIONS),
    "max_num_seqs": st.integers(1, 1024),
    "max_num_batched_tokens": st.sampled_from([2048, 8192, 16384]),
    "max_model_len": st.integers(16, 32768),
})  # fmt: skip
questions = st.tuples(st.sampled_from(BASES), layers, requests)


def answer(base: str, count: int, asked: dict, **changes) -> Estimate:
    config = config_of(shapes()[base].arch) | {"num_hidden_layers": count}
    request = EstimateRequest.model_validate(asked | {"config": config} | changes)
    found = estimate(request, read_model(base, config))
    assert isinstance(found, Estimate), found
    return found


def bytes_of(found: Estimate, name: str) -> int:
    return next(t.bytes for t in found.memory.terms if t.name == name)


def fits_no_less(more: Estimate, less: Estimate) -> bool:
    """Whether the cheaper question is answered at least as kindly, and lacks no more."""
    return ORDER[less.starts] >= ORDER[more.starts] and less.missing_bytes <= more.missing_bytes


@given(questions)
@settings(max_examples=60, deadline=None)
def test_the_terms_inside_the_budget_add_up_to_it(question):
    found = answer(*question)
    assert sum(t.bytes for t in found.memory.terms if t.inside_budget) == found.memory.budget_bytes
    assert found.kv_cache.bytes == bytes_of(found, "kv_cache")
    for term in found.memory.terms:
        assert term.low_bytes <= term.bytes <= term.high_bytes, term


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        ("H100", "GiB are left for the KV cache, and one request of 40,960 tokens needs 10.00 GiB: 2."),
        ("L4", "GiB more than the budget, and one request of 40,960 tokens needs 10.00 GiB: 5"),
    ],
)
def test_what_is_missing_is_said_as_expected_and_at_worst(gpu, words):
    asked = EstimateRequest(model="Qwen/Qwen3-32B", gpu=gpu)
    found = estimate(asked, shipped_model("Qwen/Qwen3-32B"))
    assert isinstance(found, Estimate)
    assert words in found.reason
    assert found.reason.endswith(f"{found.missing_bytes / 2**30:.2f} GiB at worst")


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


@given(questions, st.integers(1, 32))
@settings(max_examples=60, deadline=None)
def test_more_layers_never_cost_less(question, extra):
    base, count, asked = question
    less, more = answer(base, count, asked), answer(base, count + extra, asked)
    assert bytes_of(more, "weights") > bytes_of(less, "weights")
    assert more.kv_cache.bytes_per_token > less.kv_cache.bytes_per_token
    assert more.kv_cache.tokens <= less.kv_cache.tokens
    assert fits_no_less(more, less)


@given(questions, st.integers(1, 1024), st.sampled_from([0, 1024, 8192]), st.integers(0, 8000))
@settings(max_examples=60, deadline=None)
def test_more_sequences_and_more_tokens_never_cost_less(question, seqs, tokens, length):
    base, count, asked = question
    less = answer(base, count, asked)
    more = answer(
        base, count, asked,
        max_num_seqs=asked["max_num_seqs"] + seqs,
        max_num_batched_tokens=asked["max_num_batched_tokens"] + tokens,
        max_model_len=min(32768, asked["max_model_len"] + length),  # no base takes less
    )  # fmt: skip
    assert bytes_of(more, "activation") >= bytes_of(less, "activation")
    assert more.kv_cache.bytes <= less.kv_cache.bytes
    assert fits_no_less(more, less)


@given(questions, st.sampled_from([1, 2, 4]))
@settings(max_examples=60, deadline=None)
def test_more_gpus_never_fit_less(question, size):
    base, count, asked = question
    assume(shapes()[base].arch.layers[0].mixer.heads % (2 * size) == 0)
    fewer, more = (answer(base, count, asked, tensor_parallel_size=n) for n in (size, 2 * size))
    assert bytes_of(more, "weights") < bytes_of(fewer, "weights")
    assert ORDER[more.starts] >= ORDER[fewer.starts]


@given(questions, st.floats(1, 100))
@settings(max_examples=60, deadline=None)
def test_what_starts_still_starts_on_the_same_gpu_with_more_memory(question, extra):
    base, count, asked = question
    memory = GPUS[asked["gpu"]].memory_bytes / 2**30
    less = answer(base, count, asked, gpu_memory_gib=memory)
    more = answer(base, count, asked, gpu_memory_gib=memory + extra)
    assert fits_no_less(less, more)
    assert more.kv_cache.tokens >= less.kv_cache.tokens


@given(questions)
@settings(max_examples=40, deadline=None)
def test_what_is_said_to_start_holds_one_request_at_every_bound(question):
    found = answer(*question)
    if found.starts:
        assert found.kv_cache.concurrency_low >= 1
        assert found.kv_cache.longest_max_model_len >= found.settings.max_model_len
    if found.starts is False:
        assert found.missing_bytes > 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(list(EstimateRequest.model_fields))


@given(st.dictionaries(fields, json_values, max_size=6) | json_values)
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_request_or_a_list_of_what_is_wrong_with_it(value):
    found = read_request(value)
    if isinstance(found, EstimateError):
        assert found.problems
        assert all(p.what for p in found.problems)


@pytest.mark.parametrize("model", sorted(shapes()))
def test_every_shipped_model_is_answered_on_its_own(model):
    request = EstimateRequest.model_validate({"model": model, "gpu": "H200", "tensor_parallel_size": 1})
    shape = shapes()[model]
    found = estimate(request, shipped_model(model))
    assert isinstance(found, Estimate), found
    assert found.settings.max_model_len == (shape.arch.short_model_len or shape.arch.max_model_len)


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


@pytest.mark.parametrize(
    ("model", "asked", "blocks"),
    [
        # vllm-project/recipes#551; a g7e.4xlarge with the default max_num_seqs; kaito-project/kaito#2319
        ("Qwen/Qwen3.6-27B", {"gpu": "H100", "engine_version": "0.22.1", "quantization": "fp8",
                              "gpu_memory_utilization": 0.95}, 856),
        ("Qwen/Qwen3.8-27B", {"gpu": "RTX-PRO-6000", "engine_version": "0.27.1", "gpu_memory_utilization": 0.9}, 603),
        ("Qwen/Qwen3.6-27B", {"gpu": "H100-NVL", "engine_version": "0.25.1"}, 614),
    ],
)  # fmt: skip
def test_more_requests_with_states_than_the_cache_has_blocks_are_refused_as_vllm_refuses_them(model, asked, blocks):
    # 0.20 to 0.32 config/compilation.py: max_num_seqs (1024) exceeds available Mamba cache blocks (856)
    def said(**more):
        found = estimate(EstimateRequest(model=model, **(asked | more)), shipped_model(model))
        assert isinstance(found, Estimate), found
        return found

    by_default = said()
    assert by_default.starts is False
    assert by_default.kv_cache.blocks == pytest.approx(blocks, rel=0.02)
    assert "max_num_seqs 1,024 needs 49.00 GiB, a block for the state of each request" in by_default.reason
    assert said(max_num_seqs=blocks * 4 // 5).starts is True
    assert said(enforce_eager=True).starts is True
    assert said(engine_version="0.19.1").starts is True  # it captures fewer sizes instead


@pytest.mark.parametrize(
    ("version", "bytes_each", "programs"),
    [
        # Two logits of 2 B, a copy of one; in fp32 the bonus token's, the draft's twice, probabilities, noise and its
        # reciprocal: 30, and Triton's rows. Without drafts FlashInfer's sampler takes 14, Triton's 14 and its rows.
        ("0.24.0", 30 - 14, 132),
        ("0.19.0", 30 - 14, 0),
        # A sort takes 32 beside fp32 logits, and 6 + 12 bytes are held meanwhile instead of 2 + 4; until 0.13 6 + 8.
        ("0.16.0", 50 - 38, 0),
        ("0.13.0", 46 - 38, 0),
        # The V2 runner's profile checks none (v1/worker/gpu/model_runner.py _dummy_sampler_run).
        ("0.29.0", 0, 0),
    ],
)
def test_a_profile_that_checks_drafts_takes_more_than_one_that_samples(version, bytes_each, programs):
    model = "Qwen/Qwen3-30B-A3B"

    def peak(speculation: dict | None) -> int:
        asked = {"model": model, "gpu": "H100", "engine_version": version, "max_num_seqs": 1024}
        request = EstimateRequest.model_validate(asked | {"max_num_batched_tokens": 2048, "speculation": speculation})
        found = estimate(request, shipped_model(model))
        assert isinstance(found, Estimate), found
        return bytes_of(found, "activation")

    more = peak({"method": "ngram", "num_speculative_tokens": 2}) - peak(None)
    assert more == pytest.approx(151_936 * (1024 * bytes_each + 4 * programs), abs=1)


@pytest.mark.parametrize(
    ("asked", "blocks"),
    [({"quantization": "fp8"}, 939), ({"gpu_memory_utilization": 0.95}, 556)],
)
def test_the_blocks_that_drafting_leaves_are_those_of_public_logs(asked, blocks):
    # vllm-project/recipes#831: by its recipe, which drafts, on a build between 0.26 and 0.27
    model, speculation = "Qwen/Qwen3.8-27B", {"method": "mtp", "num_speculative_tokens": 2}
    said = {"model": model, "gpu": "RTX-PRO-6000", "engine_version": "0.26.1", "speculation": speculation}
    found = estimate(EstimateRequest.model_validate(said | asked), shipped_model(model))
    assert isinstance(found, Estimate), found
    assert found.kv_cache.blocks == pytest.approx(blocks, rel=0.01)
    assert found.starts is not True


@pytest.mark.parametrize(
    ("version", "caching", "batch", "starts"),
    [
        ("0.26.0", None, 2048, False),  # 0.26 has prefix caching on by default for models with states
        ("0.26.0", None, 2096, True),
        ("0.26.0", False, 2048, True),
        ("0.25.1", None, 2048, True),
        ("0.25.1", True, 2048, False),
        ("0.27.0", None, 2048, True),
    ],
)
def test_a_batch_smaller_than_a_block_that_holds_a_state_is_refused(version, caching, batch, starts):
    # 0.17 to 0.26 config/vllm.py validate_block_size: In Mamba cache align mode, block_size (2096) must be <=
    # max_num_batched_tokens (2048)
    model = "Qwen/Qwen3.5-35B-A3B"
    request = EstimateRequest(
        model=model, gpu="H200", engine_version=version, kv_cache_dtype="fp8", enable_prefix_caching=caching,
        max_num_batched_tokens=batch, max_num_seqs=256,
    )  # fmt: skip
    found = estimate(request, shipped_model(model))
    assert isinstance(found, Estimate), found
    assert found.kv_cache.block_tokens == 2096
    assert found.starts is starts
    assert ("a block, which holds a state for its prefix cache, has 2,096" in found.reason) is not starts


@pytest.mark.parametrize(("version", "states"), [("0.25.1", 1), ("0.26.0", 1), ("0.29.0", 1)])
def test_a_model_without_attention_has_no_prefix_caching_by_default(version, states):
    # 0.26 and 0.29 config/model.py is_prefix_caching_supported: attention_free
    config = {
        "architectures": ["FalconMambaForCausalLM"], "hidden_size": 4096, "intermediate_size": 8192, "state_size": 16,
        "num_hidden_layers": 64, "vocab_size": 65024, "torch_dtype": "bfloat16", "conv_kernel": 4,
    }  # fmt: skip
    found = estimate(EstimateRequest(model="m", gpu="H100", engine_version=version), read_model("m", config))
    assert isinstance(found, Estimate), found
    assert found.kv_cache.concurrency == found.kv_cache.blocks / states


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


LONG_ROPE = {
    "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072,
    "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "torch_dtype": "bfloat16",
    "rope_scaling": {"type": "longrope", "long_factor": [1.0] * 48, "short_factor": [1.0] * 48},
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "asked", "length"),
    [("0.11.0", None, 131072), ("0.11.1", None, 4096), ("0.29.0", None, 4096), ("0.29.0", 131072, 131072)],
)
def test_a_model_with_two_rope_tables_starts_short_where_nobody_says_a_length(version, asked, length):
    # vLLM 0.11.1 config/model.py _get_and_verify_max_len; 0.11.0 has no such rule
    request = EstimateRequest(model="m", gpu="H100", engine_version=version, max_model_len=asked)
    found = estimate(request, read_model("m", LONG_ROPE))
    assert isinstance(found, Estimate), found
    assert found.settings.max_model_len == length
    assert any("4,096 tokens where no max_model_len" in note for note in found.notes) is (length == 4096)


@pytest.mark.parametrize(("said", "same"), [("v0.9.1", "0.9.1"), (" 0.19.1", "0.19.1"), ("0.10.1.1", "0.10.1")])
def test_a_version_as_tags_and_logs_write_it_is_that_version(said, same):
    load = {"input_len": 100, "output_len": 100, "concurrency": 4}
    asked = {"model": BASES[0], "gpu": "H100", "max_model_len": 8192, "workload": load}
    found = [estimate(read_request(asked | {"engine_version": v}), shipped_model(BASES[0])) for v in (said, same)]
    assert found[0].memory == found[1].memory
    assert found[0].speed == found[1].speed


GEMMA2 = {
    "architectures": ["Gemma2ForCausalLM"], "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
    "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "max_position_embeddings": 8192, "sliding_window": 4096, "torch_dtype": "bfloat16",
}  # fmt: skip


def gemma_on(gpu: str, **asked):
    return estimate(EstimateRequest(model="m", gpu=gpu, **asked), read_model("m", GEMMA2))


def test_a_model_that_overflows_in_float16_is_float32_where_there_is_no_bfloat16():
    # 2,614,341,888 parameters by the Hub's count of google/gemma-2-2b; vLLM 0.9.1 and later refuse float16 for it
    doubled = gemma_on("T4", engine_version="0.10.2", max_model_len=4096)
    assert doubled.settings.dtype == "float32"
    assert bytes_of(doubled, "weights") == pytest.approx(4 * 2_614_341_888, rel=0.005)
    assert any("T4 has no bfloat16: float32" in note for note in doubled.notes)
    assert gemma_on("T4", engine_version="0.9.0", max_model_len=4096).settings.dtype == "float16"
    assert gemma_on("L4", engine_version="0.10.2", max_model_len=4096).settings.dtype == "bfloat16"


def test_float16_is_refused_where_vllm_refuses_it():
    refused = gemma_on("L4", engine_version="0.10.2", dtype="half")
    assert isinstance(refused, EstimateError)
    assert [p.where for p in refused.problems] == ["dtype"]
    assert "refuses float16" in refused.problems[0].what


def test_four_bits_cannot_do_without_a_16_bit_dtype():
    refused = gemma_on("T4", engine_version="0.10.2", quantization="awq")
    assert isinstance(refused, EstimateError)
    assert "compute capability 8.0" in str(refused.problems[0].hint)


def test_an_old_version_says_that_it_must_be_told_half():
    llama = {"model": BASES[0], "gpu": "T4", "max_model_len": 2048, "tensor_parallel_size": 2}
    found = {
        (v, d): estimate(
            EstimateRequest.model_validate(llama | {"engine_version": v, "dtype": d}), shipped_model(BASES[0])
        )
        for v in ("0.8.5", "0.9.0")
        for d in ("auto", "half")
    }
    said = {key for key, answer in found.items() if any("--dtype=half" in note for note in answer.notes)}
    assert said == {("0.8.5", "auto")}


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


def test_where_vllm_had_two_engines_the_one_that_was_chosen_is_planned():
    # facts of vLLM 0.8: V0 below capability 8.0, V1 from there on, unless VLLM_USE_V1 says otherwise
    def tokens(**asked):
        found = gemma_on(engine_version="0.8.5", max_model_len=4096, **asked)
        assert isinstance(found, Estimate), found
        return found.settings.max_num_batched_tokens

    assert tokens(gpu="L4", use_v1=False) == tokens(gpu="T4") == 4096  # V0: the longest prompt
    assert tokens(gpu="T4", use_v1=True) == tokens(gpu="L4") == 2048
    refused = gemma_on("L4", use_v1=True)
    assert isinstance(refused, EstimateError)
    assert [p.where for p in refused.problems] == ["use_v1"]


@pytest.mark.parametrize(
    ("version", "gpu", "asked", "lacking"),
    [
        ("0.8.5", "L4", {}, None),
        ("0.8.5", "A100-80-SXM", {"kv_cache_dtype": "fp8"}, "fp8 KV cache on this GPU"),
        ("0.8.5", "H100", {"kv_cache_dtype": "fp8"}, None),
        ("0.8.1", "H100", {"kv_cache_dtype": "fp8"}, "fp8 KV cache on this GPU"),
        ("0.9.1", "L4", {"dtype": "float32"}, "float32"),
        ("0.9.2", "L4", {"dtype": "float32"}, None),
        ("0.8.5", "L4", {"speculation": {"method": "ngram", "num_speculative_tokens": 3}}, "speculation by ngram"),
        ("0.9.0", "L4", {"speculation": {"method": "ngram", "num_speculative_tokens": 3}}, None),
        ("0.8.5", "L4", {"pipeline_parallel_size": 2}, "pipeline parallelism without Ray"),
        ("0.9.0", "L4", {"pipeline_parallel_size": 2}, None),
        ("0.10.0", "A100-80-SXM", {"kv_cache_dtype": "fp8"}, None),
    ],
)
def test_vllm_0_8_and_0_9_take_their_older_engine_for_what_the_newer_lacks(version, gpu, asked, lacking):
    # vLLM 0.8.0 to 0.9.2 engine/arg_utils.py _is_v1_supported_oracle
    found = gemma_on(gpu, engine_version=version, max_model_len=4096, **asked)
    assert isinstance(found, Estimate), found
    said = [note for note in found.notes if "V0 engine" in note]
    assert said == ([] if lacking is None else [f"vLLM {version} takes its V0 engine: V1 has no {lacking} yet"])
    v0 = gemma_on(gpu, engine_version=version, max_model_len=4096, use_v1=False, **asked)
    assert (found.memory == v0.memory) is (lacking is not None)


def test_v0_cuts_no_long_prompts_where_its_scheduler_cannot():
    # vLLM 0.8.5 engine/arg_utils.py _set_default_args_v0
    def tokens(**asked):
        request = EstimateRequest(
            model="m", gpu="H100", engine_version="0.8.5", use_v1=False, max_model_len=65536, **asked
        )
        return estimate(request, shipped_model("meta-llama/Llama-3.1-8B")).settings.max_num_batched_tokens

    assert tokens() == 2048
    assert tokens(speculation={"method": "ngram", "num_speculative_tokens": 3}) == 65536


def test_logits_are_sampled_in_the_models_dtype_before_0_5_5():
    # vLLM 0.5.4 and 0.5.5 model_executor/layers/sampler.py: 3 x 2 + 24 and 2 + 36 bytes a logit in float16
    sampler = [bytes_of(gemma_on("T4", engine_version=v, max_model_len=2048), "activation") for v in ("0.5.4", "0.5.5")]
    assert sampler[1] - sampler[0] == pytest.approx(8 * 256 * 256000, rel=0.01)


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


def test_a_model_that_takes_videos_whole_gets_a_batch_that_holds_one():
    # vLLM 0.29 v1/core/encoder_cache_manager.py; 0.22 and later engine/arg_utils.py _get_min_mm_batched_tokens
    whole, cut = "google/gemma-4-26B-A4B-it", "google/gemma-4-E4B-it"  # use_bidirectional_attention: vision, none
    assert batch(whole, "A100-80-SXM") == 2496
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


@given(questions, st.sampled_from([1, 8, 16, 64, 512]), st.integers(1, 8), st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None)
def test_more_slots_for_adapters_or_a_higher_rank_never_cost_less(question, rank, slots, ranks):
    enabled = {"enable_lora": True, "tensor_parallel_size": ranks}
    asked = enabled | {"max_loras": slots, "max_lora_rank": rank}
    here, none = answer(*question, **asked), answer(*question, tensor_parallel_size=ranks)
    for more in (asked | {"max_loras": slots + 1}, asked | {"max_lora_rank": {512: 512}.get(rank, 320)}):
        dearer = answer(*question, **more)
        assert bytes_of(dearer, "weights") >= bytes_of(here, "weights") > bytes_of(none, "weights")
        assert fits_no_less(dearer, here)
    assert fits_no_less(here, none)
    off = answer(*question, **(asked | {"enable_lora": False}))
    assert off.memory == none.memory


LLAMA = BASES[0]


def asked_of(config: dict | None = None, **asked) -> Estimate:
    request = EstimateRequest.model_validate({"model": LLAMA, "max_model_len": 2048} | asked)
    found = estimate(request, shipped_model(LLAMA) if config is None else read_model(LLAMA, config))
    assert isinstance(found, Estimate), found
    return found


def test_memory_of_a_version_that_few_logs_show_is_said_to_be_extrapolated():
    assert "memory of vLLM 0.29.0 is extrapolated" in asked_of(gpu="H100", engine_version="0.29.0").notes[0]
    assert asked_of(gpu="H100", engine_version="0.18.0").notes == ()


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


def test_a_misspelt_key_is_answered_with_the_nearest_in_its_place():
    wrong = read_request({"modle": "x", "gpu": "L4", "workload": {"input_len": 5, "output_len": 3, "concurency": 2}})
    assert [(p.where, p.what.partition("; ")[2]) for p in wrong.problems] == [
        ("workload.concurency", "did you mean `concurrency`?"),
        ("modle", "did you mean `model`?"),
    ]
