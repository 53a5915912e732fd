"""What vLLM refuses, or does not start with, is refused with its field and a way out."""

from __future__ import annotations

import pytest

from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate, read_request
from infercli.core.estimates.model import read_draft, read_model, shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.shapes import shapes
from tests.core.configs import config_of

BASES = ("meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen2.5-7B-Instruct")


@pytest.mark.parametrize(
    ("version", "eager", "starts", "runs_eager"),
    [
        ("0.5.0", False, False, False),
        ("0.5.4", False, False, False),
        ("0.5.4", True, True, True),
        ("0.5.5", False, True, True),
        ("0.6.1", False, True, True),
        ("0.6.2", False, True, False),
    ],
)
def test_bitsandbytes_was_not_captured_at_first(version, eager, starts, runs_eager):
    base = "meta-llama/Llama-3.1-8B-Instruct"
    asked = EstimateRequest(
        model=base, gpu="L40S", quantization="bitsandbytes", engine_version=version, enforce_eager=eager,
        max_model_len=4096,
    )  # fmt: skip
    found = estimate(asked, shipped_model(base))
    assert isinstance(found, Estimate), found
    assert (found.starts, found.settings.enforce_eager) == (starts, runs_eager)
    assert starts or "set enforce_eager" in found.reason


@pytest.mark.parametrize(
    ("said", "starts"),
    [({}, False), ({"mm_encoder_tp_mode": "data"}, True), ({"language_model_only": True}, True)],
)
def test_heads_of_an_encoder_must_divide_only_where_ranks_share_it(said, starts):
    # GLM-4.5V on eight GPUs: 12 heads. vLLM 0.29 models/glm4_1v.py disable_tp=use_data_parallel
    base = "zai-org/GLM-4.5V"
    found = estimate(EstimateRequest(model=base, gpu="H200", tensor_parallel_size=8, **said), shipped_model(base))
    assert isinstance(found, Estimate) == starts
    if isinstance(found, EstimateError):
        assert found.problems[0].what == "encoder heads (12) is not divisible by 8"


REFUSED = {
    "ranks that context parallelism does not divide": (
        {"tensor_parallel_size": 8, "decode_context_parallel_size": 3}, "decode_context_parallel_size"),
    "context parallelism without repeated KV heads": (
        {"tensor_parallel_size": 8, "decode_context_parallel_size": 8}, "decode_context_parallel_size"),
    "context parallelism over more ranks than a KV head lies on": (
        {"tensor_parallel_size": 16, "decode_context_parallel_size": 4}, "decode_context_parallel_size"),
    "draft layers that the model does not have": (
        {"speculation": {"method": "mtp", "num_speculative_tokens": 1}}, "speculation"),
    "a block that no kernel takes": ({"block_size": 7}, "block_size"),
    "memory beyond any machine": ({"gpu_memory_gib": 1e300}, "gpu_memory_gib"),
    "a rate that a float cannot keep apart from nothing": (
        {"workload": {"input_len": 100, "output_len": 10, "request_rate": 1e-12}}, "workload.request_rate"),
    "a GPU with no memory": (
        {"gpu": {"name": "mine", "memory_bytes": 0, "memory_bandwidth_bytes_per_s": 1e12, "capability": [9, 0],
                 "source": "me"}}, "gpu.memory_bytes"),
    "a GPU that is neither a name nor a record": ({"gpu": 3}, "gpu"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_vllm_would_refuse_is_refused_with_its_field(name):
    changed, where = REFUSED[name]
    asked = {"model": BASES[0], "gpu": "H200", "max_model_len": 8192}  # 32 heads, 8 KV heads
    request = read_request(asked | changed)
    found = estimate(request, shipped_model(BASES[0])) if isinstance(request, EstimateRequest) else request
    assert isinstance(found, EstimateError), found
    assert {problem.where for problem in found.problems} == {where}


DENSE_80 = {
    "architectures": ["PhiForCausalLM"], "vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240,
    "num_hidden_layers": 32, "num_attention_heads": 32, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
}  # fmt: skip
"""Heads of 80 (phi-2), which FlashInfer does not have."""


BACKENDS = [
    # vLLM 0.29 v1/attention/backends/mla/flashmla_sparse.py, flashinfer_mla_sparse.py, models/deepseek_v4/sparse_mla.py
    ("deepseek-ai/DeepSeek-V3.2", "A100-80-SXM", "0.29.0", "auto", "gpu"),
    ("deepseek-ai/DeepSeek-V3.2", "L40S", "0.13.0", "auto", "gpu"),
    ("deepseek-ai/DeepSeek-V3.2", "H200", "0.13.0", "auto", None),
    ("deepseek-ai/DeepSeek-V3.2", "RTX-PRO-6000", "0.29.0", "auto", None),
    ("deepseek-ai/DeepSeek-V3.2", "H200", "0.29.0", "fp8_e5m2", "kv_cache_dtype"),
    # mla/prefill/selector.py: FlashAttention
    ("deepseek-ai/DeepSeek-V2-Lite", "T4", "0.29.0", "auto", "gpu"),
    ("deepseek-ai/DeepSeek-V2-Lite", "A100-80-SXM", "0.29.0", "auto", None),
    # mla/triton_mla.py, which until 0.17 had none
    ("deepseek-ai/DeepSeek-V2-Lite", "A100-80-SXM", "0.29.0", "fp8", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V2-Lite", "L40S", "0.29.0", "fp8", None),
    ("deepseek-ai/DeepSeek-V2-Lite", "L40S", "0.17.0", "fp8", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V2-Lite", "H100", "0.17.0", "fp8", None),
    ("deepseek-ai/DeepSeek-V2-Lite", "H100", "0.9.2", "fp8", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V2-Lite", "H100", "0.29.0", "fp8_e5m2", "kv_cache_dtype"),
    # flashinfer.py and triton_attn.py
    (BASES[0], "T4", "0.29.0", "fp8", "kv_cache_dtype"),
    (BASES[0], "T4", "0.8.5", "fp8", None),
    (BASES[0], "A100-80-SXM", "0.29.0", "fp8", None),
    (BASES[0], "A100-80-SXM", "0.11.0", "fp8", "kv_cache_dtype"),
    (BASES[0], "A100-80-SXM", "0.29.0", "fp8_e5m2", None),
    ("openai/gpt-oss-20b", "A100-80-SXM", "0.29.0", "fp8", "kv_cache_dtype"),
    ("openai/gpt-oss-20b", "A100-80-SXM", "0.19.0", "fp8_e5m2", None),
    ("openai/gpt-oss-20b", "H100", "0.29.0", "fp8", None),
    ("google/gemma-3-12b-it", "A100-80-SXM", "0.29.0", "fp8", "kv_cache_dtype"),
    ("google/gemma-3-12b-it", "L40S", "0.29.0", "fp8", None),
    ("google/gemma-4-31B-it", "A100-80-SXM", "0.29.0", "fp8", "kv_cache_dtype"),
    # model_executor/layers/attention/attention.py
    ("deepseek-ai/DeepSeek-V3", "H200", "0.29.0", "fp8_e5m2", "kv_cache_dtype"),
    # flash_attn.py, flashinfer.py, triton_attn.py and flashmla.py do not list it, flashmla_sparse.py does
    (BASES[0], "H100", "0.29.0", "fp8_ds_mla", "kv_cache_dtype"),
    (BASES[0], "MI300X", "0.29.0", "fp8_ds_mla", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V2-Lite", "H100", "0.29.0", "fp8_ds_mla", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V3.2", "H200", "0.29.0", "fp8_ds_mla", None),
    # models/deepseek_v4/attention.py _resolve_dsv4_kv_cache_dtype
    ("deepseek-ai/DeepSeek-V4-Flash", "H200", "0.29.0", "auto", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V4-Flash", "MI355X", "0.29.0", "auto", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V4-Flash", "H200", "0.29.0", "fp8_e5m2", "kv_cache_dtype"),
    ("deepseek-ai/DeepSeek-V4-Flash", "H200", "0.29.0", "fp8", None),
    # config/cache.py CacheDtype
    (BASES[0], "H100", "0.29.0", "float32", "kv_cache_dtype"),
]


@pytest.mark.parametrize(("model", "gpu", "version", "kv_cache_dtype", "where"), BACKENDS)
def test_a_cache_or_a_gpu_without_an_attention_kernel_is_refused(model, gpu, version, kv_cache_dtype, where):
    asked = {"model": model, "gpu": gpu, "engine_version": version, "kv_cache_dtype": kv_cache_dtype}
    request = EstimateRequest.model_validate(asked | {"max_model_len": 2048, "tensor_parallel_size": 8})
    found = estimate(request, shipped_model(model))
    refused = {p.where for p in found.problems} if isinstance(found, EstimateError) else set()
    assert refused == ({where} if where else set()), found


@pytest.mark.parametrize(
    ("model", "gpu", "version", "kv_cache_dtype"),
    [
        ("deepseek-ai/DeepSeek-V2-Lite", "T4", "0.29.1rc1.dev2+g0123456", "auto"),
        (BASES[0], "T4", "0.29.1.dev2", "fp8"),
        ("openai/gpt-oss-20b", "H100", "0.10.0.dev7+g0123456", "auto"),
    ],
)
def test_a_build_between_releases_may_have_what_the_release_lacks(model, gpu, version, kv_cache_dtype):
    asked = {"model": model, "gpu": gpu, "engine_version": version, "kv_cache_dtype": kv_cache_dtype}
    found = estimate(EstimateRequest.model_validate(asked | {"max_model_len": 2048}), shipped_model(model))
    assert isinstance(found, Estimate), found
    assert any("a release would refuse it" in note for note in found.notes) is (gpu == "T4")


def test_an_fp8_cache_on_ampere_needs_heads_that_flashinfer_has():
    # vLLM 0.29 v1/attention/backends/flashinfer.py get_supported_head_sizes
    def asked(gpu: str):
        request = EstimateRequest(model="phi", gpu=gpu, kv_cache_dtype="fp8")
        return estimate(request, read_model("phi", DENSE_80))

    assert isinstance(asked("L40S"), Estimate)
    refused = asked("A100-80-SXM")
    assert isinstance(refused, EstimateError)
    assert "heads of 80 need compute capability 8.9" in refused.problems[0].what


def test_images_that_are_switched_off_are_not_seen_whole():
    # vLLM 0.27 config/model.py _supports_multimodal_for_mm_prefix
    def asked(version: str):
        request = EstimateRequest(
            model="google/gemma-3-12b-it", gpu="A100-80-SXM", kv_cache_dtype="fp8", engine_version=version,
            max_model_len=8192, language_model_only=True,
        )  # fmt: skip
        return estimate(request, shipped_model("google/gemma-3-12b-it"))

    assert isinstance(asked("0.29.0"), Estimate)
    assert isinstance(asked("0.25.1"), EstimateError)


def test_fp8_e5m2_is_refused_beside_scales_for_e4m3():
    # vLLM 0.29 model_executor/layers/attention/attention.py
    llama = config_of(shapes()[BASES[0]].arch)
    stored = {"quant_method": "fp8", "activation_scheme": "dynamic"}
    found = {}
    for name, config in (("plain", llama), ("fp8", llama | {"quantization_config": stored})):
        request = EstimateRequest(model="m", gpu="H100", kv_cache_dtype="fp8_e5m2", max_model_len=8192)
        found[name] = estimate(request, read_model("m", config))
    assert isinstance(found["plain"], Estimate)
    assert isinstance(found["fp8"], EstimateError)
    assert "scales for the cache" in found["fp8"].problems[0].what


def test_what_computes_in_bfloat16_only_is_refused_in_float16():
    # vLLM 0.29 layers/quantization/mxfp4.py get_supported_act_dtypes; quark.py takes both
    quark = {"quant_method": "quark", "export": {"kv_cache_group": []}, "global_quant_config": {
        "weight": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "scale_format": "e8m0"}}}  # fmt: skip
    llama = config_of(shapes()[BASES[0]].arch)
    asked = {"gpu": "H100", "dtype": "float16", "max_model_len": 8192}
    refused = estimate(EstimateRequest(model="openai/gpt-oss-20b", **asked), shipped_model("openai/gpt-oss-20b"))
    assert isinstance(refused, EstimateError)
    assert [p.what for p in refused.problems] == ["float16 is none that vLLM computes mxfp4 in"]
    turing = estimate(EstimateRequest(model="openai/gpt-oss-20b", gpu="T4"), shipped_model("openai/gpt-oss-20b"))
    assert isinstance(turing, EstimateError)
    assert not any("bfloat16" in (p.hint or "") for p in turing.problems)  # which it does not have
    taken = estimate(EstimateRequest(model="m", **asked), read_model("m", llama | {"quantization_config": quark}))
    assert isinstance(taken, Estimate)


def test_a_model_that_drafts_has_the_same_vocabulary():
    # vLLM 0.16 and later config/speculative.py verify_equal_vocab_size_if_draft_model
    def asked(drafts: str, version: str):
        speculation = {"method": "draft_model", "model": drafts, "num_speculative_tokens": 3}
        request = EstimateRequest.model_validate({
            "model": BASES[0], "gpu": "H100", "max_model_len": 8192, "speculation": speculation,
            "engine_version": version,
        })  # fmt: skip
        model = shipped_model(BASES[0])
        return estimate(request, model, read_draft(request.speculation, model, None))

    assert isinstance(asked("meta-llama/Llama-3.2-1B-Instruct", "0.29.0"), Estimate)
    assert isinstance(asked("Qwen/Qwen2.5-0.5B-Instruct", "0.14.0"), Estimate)
    refused = asked("Qwen/Qwen2.5-0.5B-Instruct", "0.29.0")
    assert isinstance(refused, EstimateError)
    assert [p.where for p in refused.problems] == ["speculation"]


@pytest.mark.parametrize(
    ("model", "version", "starts"),
    [
        # vLLM model_executor/models/registry.py of each version
        ("openai/gpt-oss-20b", "0.9.2", False),
        ("openai/gpt-oss-20b", "0.10.1", True),  # was not read, and may have it
        ("deepseek-ai/DeepSeek-V3.2", "0.10.2", False),
        ("deepseek-ai/DeepSeek-V3.2", "0.11.0", True),
        ("google/gemma-4-31B-it", "0.18.0", False),
        ("google/gemma-4-31B-it", "0.20.0", True),
        ("Qwen/Qwen3-8B", "0.6.0", None),  # as transformers has it, maybe
        ("Qwen/Qwen3-8B", "0.8.5", True),
    ],
)
def test_a_class_that_a_version_lacks_does_not_start(model, version, starts):
    asked = {"max_model_len": 2048, "tensor_parallel_size": 8, "max_num_batched_tokens": 8192}
    found = estimate(
        EstimateRequest.model_validate({"model": model, "gpu": "H200", "engine_version": version} | asked),
        shipped_model(model),
    )
    if starts is False:
        assert isinstance(found, EstimateError)
        assert {p.where for p in found.problems} == {"engine_version"}
    else:
        assert isinstance(found, Estimate), found
        assert found.starts is starts


def test_a_class_that_was_dropped_does_not_start():
    # vLLM 0.29 registry.py _PREVIOUSLY_SUPPORTED_MODELS
    config = config_of(shapes()[BASES[0]].arch) | {"architectures": ["XverseForCausalLM"]}
    found = {
        version: estimate(
            EstimateRequest(model="m", gpu="H100", max_model_len=2048, engine_version=version), read_model("m", config)
        )
        for version in ("0.23.0", "0.29.0")
    }
    assert isinstance(found["0.23.0"], Estimate)
    assert isinstance(found["0.29.0"], EstimateError)
    assert "0.23.0 was the last" in found["0.29.0"].problems[0].what


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        # 36 layers and 32 heads; a hundred and more experts of 768 wide.
        (
            "Qwen/Qwen3-8B", {"pipeline_parallel_size": 64},
            [("pipeline_parallel_size", "36 layers do not fill 64 pipeline stages", "lower it, or leave it out")],
        ),
        (
            "Qwen/Qwen3-8B", {"enable_expert_parallel": True},
            [("enable_expert_parallel", "expert parallelism needs experts, and this model has none", "leave it out")],
        ),
        (
            "Qwen/Qwen3-30B-A3B", {"data_parallel_size": 5},
            [("data_parallel_size", "expert width (768) is not divisible by 5",
              "ranks that split data split every expert as well: choose another size, or enable_expert_parallel")],
        ),
        (
            "Qwen/Qwen3-8B", {"quantization": "mxfp4"},
            [("quantization", "mxfp4 quantizes routed experts alone, and Qwen3ForCausalLM has none",
              "choose another, or leave it out")],
        ),
    ],
)  # fmt: skip
def test_what_no_tensor_parallel_size_changes_is_named_by_itself(model, asked, said):
    found = estimate(EstimateRequest(model=model, gpu="H100", max_model_len=2048, **asked), shipped_model(model))
    assert isinstance(found, EstimateError), found
    assert [(p.where, p.what, p.hint) for p in found.problems] == said


def test_stages_that_cannot_be_hide_no_possible_split():
    asked = EstimateRequest(model="Qwen/Qwen3-8B", gpu="H100", tensor_parallel_size=3, pipeline_parallel_size=64)
    found = estimate(asked, shipped_model("Qwen/Qwen3-8B"))
    said = {p.where: p.hint for p in found.problems}
    assert said == {
        "pipeline_parallel_size": "lower it, or leave it out",
        "tensor_parallel_size": "possible: 1, 2, 4, 8, 16, 32",
    }


def test_a_split_that_cannot_be_names_those_that_can_and_a_checkpoint_that_no_split_saves_is_named():
    def said(config, tensor_parallel_size):
        config = config_of(shapes()["Qwen/Qwen2.5-7B-Instruct"].arch) | config
        asked = EstimateRequest(model="m", gpu="H100", tensor_parallel_size=tensor_parallel_size)
        found = estimate(asked, read_model("m", config))
        assert isinstance(found, EstimateError), found
        return [(p.where, p.hint) for p in found.problems]

    assert said({}, 8) == [("tensor_parallel_size", "possible: 1, 2, 4")]  # 28 heads
    odd = {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 48, "zero_point": True}}
    assert said(odd, 1) == [("quantization", "no tensor_parallel_size changes that: take another checkpoint")]
