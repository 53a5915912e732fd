"""What versions of vLLM make of the same question, by their sources and by public logs."""

from __future__ import annotations

import pytest

from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate, read_request
from infercli.core.estimates.model import read_model, shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.units import GIB, MIB
from tests.core.estimates.estimates import bytes_of

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
GEMMA2 = {
    "architectures": ["Gemma2ForCausalLM"], "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216,
    "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "max_position_embeddings": 8192, "sliding_window": 4096, "torch_dtype": "bfloat16",
}  # fmt: skip


def gemma_on(gpu: str, **asked):
    return estimate(EstimateRequest(model="m", gpu=gpu, **asked), read_model("m", GEMMA2))


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
        # N-grams bring the V1 runner with them; the V2 runner has the logits alone, and its tables (model_runner.py
        # _dummy_sampler_run).
        ("0.29.0", 30 - 6.125, 132),
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
        ("0.26.0", None, 2048, True),
        ("0.26.0", True, 2048, False),
        ("0.26.0", True, 2096, True),
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


@pytest.mark.parametrize(
    ("version", "states"), [("0.25.1", 1), ("0.26.0", 1), ("0.27.1", 1), ("0.28.0", 2), ("0.33.0", 2)]
)
def test_models_with_states_beside_attention_cache_prefixes_by_default_since_0_28(version, states):
    # engine/arg_utils.py _set_default_chunked_prefill_and_prefix_caching_args: `and not model_config.is_hybrid` in 0.26
    # and 0.27, whose config/model.py says that they support it; before, that says no. vllm-project/vllm#50991.
    model = "Qwen/Qwen3.8-27B"
    asked = {"model": model, "gpu": "L40S", "quantization": "fp8", "max_model_len": 131072}
    found = estimate(EstimateRequest.model_validate(asked | {"engine_version": version}), shipped_model(model))
    assert isinstance(found, Estimate), found
    per_request = -(-131072 // found.kv_cache.block_tokens) + 3 * states  # a group of attention, three of states
    assert found.kv_cache.concurrency == pytest.approx(found.kv_cache.blocks / per_request)


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
    asked = {"model": LLAMA, "gpu": "H100", "max_model_len": 8192, "workload": load}
    found = [estimate(read_request(asked | {"engine_version": v}), shipped_model(LLAMA)) for v in (said, same)]
    assert found[0].memory == found[1].memory
    assert found[0].speed == found[1].speed


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
    llama = {"model": LLAMA, "gpu": "T4", "max_model_len": 2048, "tensor_parallel_size": 2}
    found = {
        (v, d): estimate(
            EstimateRequest.model_validate(llama | {"engine_version": v, "dtype": d}), shipped_model(LLAMA)
        )
        for v in ("0.8.5", "0.9.0")
        for d in ("auto", "half")
    }
    said = {key for key, answer in found.items() if any("--dtype=half" in note for note in answer.notes)}
    assert said == {("0.8.5", "auto")}


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


def test_v0_holds_states_beside_the_kv_cache():
    def asked(version: str, **more) -> Estimate:
        request = EstimateRequest(model="m", gpu="L40S", engine_version=version, **more)
        found = estimate(request, shipped_model("nvidia/NVIDIA-Nemotron-Nano-9B-v2"))
        assert isinstance(found, Estimate), found
        return found

    # vllm-project/vllm#23230: 0.10.1 allocates 33.75 GiB for 256 states of 27 layers in float32, and fails; before
    # them 17.03 - 16.56 GiB for the convolutions'.
    v1, v0 = asked("0.10.1", use_v1=True), asked("0.10.1", mamba_ssm_cache_dtype="float32")
    more = bytes_of(v0, "activation") - bytes_of(v1, "activation")
    assert more / GIB == pytest.approx(33.75 + 0.47, abs=0.01)
    assert v0.starts is False
    assert v0.kv_cache.block_tokens == 16  # attention's own: no state has to fit in it
    assert [asked(version).kv_cache.block_tokens for version in ("0.9.2", "0.10.0", "0.10.1")] == [16] * 3
    assert asked("0.10.2").kv_cache.block_tokens == v1.kv_cache.block_tokens > 16


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


def test_memory_of_a_version_that_few_logs_show_is_said_to_be_extrapolated():
    def notes(version):
        asked = EstimateRequest(model=LLAMA, gpu="H100", max_model_len=2048, engine_version=version)
        return estimate(asked, shipped_model(LLAMA)).notes

    assert "memory of vLLM 0.29.0 is extrapolated" in notes("0.29.0")[0]
    assert notes("0.18.0") == ()


def test_a_generating_class_run_for_embeddings_has_no_head_and_samples_nothing():
    # Qwen3-Embedding-8B, a Qwen3ForCausalLM with a modules.json: 0.22 loads 14.11 GiB, Qwen3-8B 15.27
    asked = {"model": "Qwen/Qwen3-8B", "gpu": "L40S", "engine_version": "0.22.0", "max_model_len": 8192}
    whole, pooled = (
        estimate(EstimateRequest(**asked, runner=runner), shipped_model("Qwen/Qwen3-8B"))
        for runner in ("auto", "pooling")
    )
    assert [round(bytes_of(found, "weights") / GIB, 2) for found in (whole, pooled)] == [15.27, 14.11]
    assert bytes_of(pooled, "activation") < bytes_of(whole, "activation")


@pytest.mark.parametrize(("version", "generates"), [("0.5.0", True), ("0.6.4", True), ("0.6.5", False)])
def test_a_generating_class_that_embeds_keeps_its_head_until_any_class_may_pool(version, generates):
    # vllm-project/vllm#5827: 0.5.0 served it with its lm_head. 0.6.5 model_loader/utils.py asks as_embedding_model.
    named = "Alibaba-NLP/gte-Qwen2-7B-instruct"
    config = {
        "architectures": ["Qwen2ForCausalLM"], "vocab_size": 151646, "hidden_size": 3584, "intermediate_size": 18944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "torch_dtype": "bfloat16",
        "max_position_embeddings": 131072,
    }  # fmt: skip
    asked = {"gpu": "L40S", "engine_version": version, "max_model_len": 8000}
    known = estimate(EstimateRequest(model=named, **asked), shipped_model(named))
    read = estimate(EstimateRequest(model="m", **asked), read_model("m", config))
    head = bytes_of(read, "weights") - bytes_of(known, "weights")
    assert head == 0 if generates else head == pytest.approx(151_680 * 3584 * 2, rel=0.002)


def test_a_cache_in_fp8_loses_the_workspace_of_flashinfer_where_graphs_are_estimated():
    # 0.20 on a Blackwell card of 12.x with one sequence: 0.39 GiB of graphs estimated, nearly all of it the workspace
    def left(**asked):
        given = {"model": "Qwen/Qwen3.6-35B-A3B", "gpu": "RTX-PRO-6000", "max_model_len": 65536, "max_num_seqs": 1}
        found = estimate(EstimateRequest(**(given | asked)), shipped_model("Qwen/Qwen3.6-35B-A3B"))
        return bytes_of(found, "kv_cache") / MIB

    def lost(**asked):
        return left(**asked) - left(**asked, kv_cache_dtype="fp8")

    assert lost(engine_version="0.20.0") == pytest.approx(394, abs=1)
    assert lost(engine_version="0.19.0") == lost(engine_version="0.20.0", enforce_eager=True) == 0


def _batch(model: str, version: str, length: int, **asked) -> int:
    by_v0 = {"use_v1": False} if version >= "0.8" else {}
    found = estimate(
        EstimateRequest(model=model, gpu="H100", engine_version=version, max_model_len=length, **(asked | by_v0)),
        shipped_model(model),
    )
    assert isinstance(found, Estimate), found
    return found.settings.max_num_batched_tokens


@pytest.mark.parametrize(
    ("model", "version", "length", "asked", "tokens"),
    [
        (LLAMA, "0.6.4", 131072, {}, 512),
        (LLAMA, "0.6.4", 131072, {"enable_lora": True}, 131072),
        (LLAMA, "0.6.0", 131072, {"enable_prefix_caching": True}, 131072),
        (LLAMA, "0.6.1", 131072, {"enable_prefix_caching": True}, 512),
        (LLAMA, "0.8.5", 131072, {"enable_lora": True}, 131072),
        # Windows, and models that see: no chunks, and a least batch that grew
        ("Qwen/QVQ-72B-Preview", "0.6.1", 65536, {}, 512),
        ("Qwen/QVQ-72B-Preview", "0.6.2", 65536, {}, 65536),
        ("mistralai/Pixtral-12B-2409", "0.6.2", 131072, {}, 131072),
        ("mistralai/Pixtral-12B-2409", "0.7.3", 131072, {}, 131072),
        ("mistralai/Pixtral-12B-2409", "0.6.2", 2048, {}, 4096),
        ("mistralai/Pixtral-12B-2409", "0.6.3", 2048, {}, 5120),
        # Embedders: chunks until 0.6.4
        ("intfloat/e5-mistral-7b-instruct", "0.6.3", 4096, {}, 32768),
        # Latent attention keeps the chunks' batch until it is asked before (0.8)
        ("deepseek-ai/DeepSeek-V2-Lite", "0.7.2", 65536, {}, 2048),
        ("deepseek-ai/DeepSeek-V2-Lite", "0.8.5", 65536, {}, 65536),
    ],
)
def test_v0_cuts_prompts_of_some_models_only(model, version, length, asked, tokens):
    # engine/arg_utils.py and config.py SchedulerConfig of each release
    assert _batch(model, version, length, **asked) == tokens


def test_windows_that_080_to_090_cut_as_full_attention_start_with_less_than_a_request_takes():
    # Two RTX 4090 with 0.8.4 and 131,072 tokens of Gemma 3 12B: started, and printed a concurrency of 0.53
    def said(**more):
        asked = {"gpu": "RTX-4090", "tensor_parallel_size": 2, "engine_version": "0.8.4", "quantization": "w4a16"}
        model = "google/gemma-3-12b-it"
        found = estimate(EstimateRequest(model=model, **(asked | more)), shipped_model(model))
        assert isinstance(found, Estimate), found
        return found

    found = said()
    assert found.starts is True
    assert 0.5 < found.kv_cache.concurrency < 0.62
    assert any("starts, and ends none so long" in note for note in found.notes)
    assert said(engine_version="0.8.2").starts is False
    assert said(use_v1=False).starts is False
    assert not any("ends none so long" in note for note in said(max_model_len=8192).notes)


def test_before_the_engine_quantized_weights_one_by_one_a_gpu_had_to_hold_them_all_unquantized():
    # quantization/fp8.py create_weights: 0.14.0 allocates them in the model's dtype, 0.16.0 as each is read
    def said(version, gpu="A100-80-SXM", **more):
        asked = {"gpu": gpu, "engine_version": version, "quantization": "fp8-online", "max_model_len": 2048}
        request = EstimateRequest(model="Qwen/Qwen2.5-72B-Instruct", gpu_memory_utilization=0.97, **(asked | more))
        found = estimate(request, shipped_model(request.model))
        assert isinstance(found, Estimate), found
        return found

    assert said("0.14.0").starts is False
    assert "before it quantizes them: 135." in said("0.14.0").reason
    assert "it fits with" not in said("0.14.0").reason
    assert said("0.16.0").starts is not False
    assert said("0.14.0", tensor_parallel_size=2).starts is True  # half of them on each
    assert said("0.12.0", gpu="H200").starts is True  # vllm-project/vllm#31273: loaded on a GPU of 141 GB
    assert said("0.14.0", quantization="fp8").starts is not False  # a checkpoint that is quantized


def test_the_fp8_cache_that_a_checkpoint_asks_for_is_taken_only_since_vllm_looks_for_it():
    # nvidia/Qwen3-30B-A3B-NVFP4 on an RTX PRO 6000 with 0.13 printed 72.29 GiB and 789,568 tokens: 98,304 bytes each
    def bytes_each(found) -> float:
        assert isinstance(found, Estimate), found
        return found.kv_cache.bytes / found.kv_cache.tokens

    def modelopt(version: str, **asked) -> float:
        model = "nvidia/Qwen3-30B-A3B-NVFP4"
        request = EstimateRequest(
            model=model, gpu="RTX-PRO-6000", engine_version=version, max_model_len=4096, **asked
        )  # fmt: skip
        return bytes_each(estimate(request, shipped_model(model)))

    def compressed(version: str) -> float:
        weights = {"num_bits": 8, "type": "float", "strategy": "channel"}
        stated = {
            "quant_method": "compressed-tensors", "format": "float-quantized",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
            "kv_cache_scheme": {"num_bits": 8, "type": "float"},
        }  # fmt: skip
        model = read_model("m", {**GEMMA2, "sliding_window": None, "quantization_config": stated})
        return bytes_each(estimate(EstimateRequest(model="m", gpu="H100", engine_version=version), model))

    plain = 48 * 2 * 4 * 128 * 2
    assert modelopt("0.13.0") == pytest.approx(plain, rel=1e-3)
    assert modelopt("0.13.0", kv_cache_dtype="fp8") == pytest.approx(plain / 2, rel=1e-3)
    assert modelopt("0.14.0") == pytest.approx(plain / 2, rel=1e-3)
    plain = 26 * 2 * 4 * 256 * 2
    assert compressed("0.14.0") == pytest.approx(plain, rel=1e-3)
    assert compressed("0.15.0") == pytest.approx(plain / 2, rel=1e-3)
