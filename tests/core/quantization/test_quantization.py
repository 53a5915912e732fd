from __future__ import annotations

import pytest

from infercli.core.gpus import find_gpu
from infercli.core.quantization.checkpoint import detect, detect_in, typical
from infercli.core.quantization.methods import METHODS, expand, require_capability, require_engine
from infercli.core.quantization.schemes import require_gpu, schemes_of
from infercli.errors import InputError, UnknownName, Unsupported


@pytest.mark.parametrize(
    ("name", "gpu", "said"),
    [
        ("nvfp4", "MI355X", "nvfp4 is emulated on MI355X"),
        ("mxfp4", "MI300X", "mxfp4 is weight-only on MI300X, native on MI350"),
        ("mxfp4", "MI355X", None),
        ("fp8", "MI300X", None),
    ],
)
def test_four_bits_on_amd_say_where_they_are_native(name, gpu, said):
    # vLLM 0.29 kernels/linear/__init__.py _POSSIBLE_NVFP4_KERNELS: ROCm has the emulation alone
    note = require_capability(METHODS[name], find_gpu(gpu))
    assert (note is None) == (said is None)
    assert (note or "").startswith(said or "")


def test_what_only_marlin_runs_is_refused_on_amd():
    with pytest.raises(InputError, match="only Marlin does it"):
        require_capability(METHODS["nvfp4a16"], find_gpu("MI300X"))


@pytest.mark.parametrize("name", ["Q4_K_M", "q8_0"])
def test_a_type_of_gguf_is_answered_by_gguf(name):
    with pytest.raises(UnknownName) as error:
        expand([name])
    assert error.value.hint.startswith("did you mean `gguf`? Known are ")


def test_q4_stands_for_any_four_bit_method_and_keeps_the_order_of_preference():
    assert expand(["fp8", "q4", "none"]) == ("fp8", "awq", "gptq", "w4a16", "none")
    assert expand(["gptq", "q4"]) == ("gptq", "awq", "w4a16")


def test_an_unknown_method_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownName) as refused:
        expand(["awk"])
    assert "awq" in refused.value.nearest


def test_fp8_on_an_a100_is_weight_only_and_on_an_h100_native():
    note = require_capability(METHODS["fp8"], find_gpu("A100-80-SXM"))
    assert note is not None
    assert "weight-only" in note
    assert "compute does not speed up" in note
    assert require_capability(METHODS["fp8"], find_gpu("H100")) is None
    assert require_capability(METHODS["fp8"], find_gpu("L4")) is None


def test_four_bit_methods_are_weight_only_everywhere_so_no_gpu_gets_a_note():
    assert all(require_capability(METHODS[m], find_gpu("B200")) is None for m in ("awq", "gptq", "w4a16"))


def test_int8_is_refused_on_blackwell_and_named():
    with pytest.raises(InputError, match=r"int8 does not run on compute capability 10\.0 \(B200\)"):
        require_capability(METHODS["int8"], find_gpu("B200"))


def test_a_gpu_that_is_too_old_is_refused():
    volta = find_gpu("T4").model_copy(update={"name": "V100", "capability": (7, 0)})
    with pytest.raises(InputError, match=r"awq needs compute capability 7\.5, and V100 has 7\.0"):
        require_capability(METHODS["awq"], volta)


@pytest.mark.parametrize(
    ("method", "gpu", "words"),
    [
        ("nvfp4", "H100", "nvfp4 is weight-only on H100 (capability 9.0, native from 10.0)"),
        ("nvfp4", "A100-80-SXM", "native from 10.0"),
        ("mxfp4", "H100", "native from 10.0"),
        ("mxfp8", "L40S", "native from 10.0"),
        ("nvfp4", "B200", None),
        ("mxfp4", "RTX-5090", None),
        ("nvfp4a16", "B200", None),  # weights only everywhere: no GPU gets a note
        ("w8a16", "T4", None),
        ("w4a8", "H100", None),
    ],
)
def test_four_bit_floats_say_where_they_are_native(method, gpu, words):
    note = require_capability(METHODS[method], find_gpu(gpu))
    assert (note is None) if words is None else (note is not None and words in note)


@pytest.mark.parametrize(("method", "gpu"), [("w4a8", "L40S"), ("w4a8", "B200"), ("int8", "RTX-5090"), ("mxfp4", "T4")])
def test_a_method_without_a_kernel_on_the_gpu_is_refused(method, gpu):
    with pytest.raises(InputError, match=rf"{method} (needs|does not run on) compute capability"):
        require_capability(METHODS[method], find_gpu(gpu))


@pytest.mark.parametrize(
    ("method", "gpu", "last", "first"),
    [  # get_min_capability in 0.4.1, 0.4.3 and 0.5.1, and in the wheels of 0.8.5, 0.9.2 and 0.11.0 to 0.14.0
        ("fp8", "RTX-A6000", "0.4.1", "0.5.1"),
        ("fp8-online", "A100-80-SXM", "0.4.3", "0.5.1"),
        ("w4a16", "T4", "0.11.2", "0.12.0"),
        ("w8a16", "T4", "0.11.2", "0.12.0"),
        ("fp8", "T4", "0.13.0", "0.14.0"),
        ("fp8-online", "T4", "0.13.0", "0.14.0"),
        ("nvfp4", "T4", "0.13.0", "0.14.0"),
        ("nvfp4", "A100-80-SXM", "0.8.5", "0.9.0"),
    ],
)
def test_an_older_vllm_may_need_a_newer_gpu(method, gpu, last, first):
    with pytest.raises(InputError, match=rf"{method} needs compute capability \d+\.\d in vLLM {last}, and {gpu} has"):
        require_capability(METHODS[method], find_gpu(gpu), last)
    require_capability(METHODS[method], find_gpu(gpu), first)
    require_capability(METHODS[method], find_gpu(gpu))


def test_fp8_is_refused_on_rocm_where_the_gpu_has_none():
    for method in ("fp8", "fp8-online"):
        for gpu in ("MI250X", "RX-7900-XTX"):
            with pytest.raises(InputError, match=f"{method} does not run on {gpu}"):
                require_capability(METHODS[method], find_gpu(gpu))
        for gpu in ("MI300X", "RX-9070"):
            assert require_capability(METHODS[method], find_gpu(gpu)) is None
    unknown = find_gpu("MI210").model_copy(update={"peak_flops": {}})  # of one's own, without rates
    assert require_capability(METHODS["fp8"], unknown) is None
    assert require_capability(METHODS["awq"], find_gpu("MI210")) is None


def test_on_intel_gpus_only_what_vllm_has_kernels_for_is_planned():
    for method in ("awq", "fp8", "mxfp4", "w4a16"):
        assert require_capability(METHODS[method], find_gpu("Arc-Pro-B60")) is None
    for method in ("gguf", "bitsandbytes", "nvfp4", "w4a8"):
        with pytest.raises(InputError, match=f"{method} is not planned on Arc-Pro-B60"):
            require_capability(METHODS[method], find_gpu("Arc-Pro-B60"))


def test_volta_runs_gptq_and_not_awq():
    require_capability(METHODS["gptq"], find_gpu("V100"), "0.7.3")  # GPTQConfig.get_min_capability is 6.0, AWQ's 7.5
    with pytest.raises(InputError, match=r"awq needs compute capability 7\.5, and V100-32 has 7\.0"):
        require_capability(METHODS["awq"], find_gpu("V100"), "0.7.3")


@pytest.mark.parametrize(
    ("method", "last", "first", "package"),
    [
        ("gguf", "0.23.1", "0.24.0", "vllm-gguf-plugin"),  # vllm-project/vllm#39612
        ("bitsandbytes", "0.27.1", "0.28.0", "vllm-bnb-plugin"),  # vllm-project/vllm#43529
    ],
)
def test_what_left_vllm_is_refused_with_its_plugin_and_a_way_out(method, last, first, package):
    require_engine(METHODS[method], last)
    with pytest.raises(Unsupported) as refused:
        require_engine(METHODS[method], first)
    assert package in refused.value.message
    assert "AWQ or W4A16" in refused.value.hint
    for name in ("awq", "fp8", "nvfp4"):
        require_engine(METHODS[name], first)


def test_a_format_may_need_more_of_a_gpu_than_its_method():
    # ModelOptFp8Config.get_min_capability is 8.0 where Fp8Config's is 7.5
    modelopt = detect({"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]})
    with pytest.raises(InputError, match=r"format needs compute capability 8\.0, and T4 has 7\.5"):
        require_gpu(modelopt, find_gpu("T4"))
    assert len(require_gpu(modelopt, find_gpu("A100-80-SXM"))) == 1
    assert require_gpu(typical("fp8"), find_gpu("T4")) != ()


def test_a_mixed_checkpoint_needs_what_each_of_its_methods_needs():
    layers = {
        "model.layers.0.mlp.up_proj": {"quant_algo": "NVFP4"},
        "model.layers.0.self_attn.o_proj": {"quant_algo": "FP8"},
    }
    mixed = detect({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    assert [n.split()[0] for n in require_gpu(mixed, find_gpu("A100-80-SXM"))] == ["nvfp4", "fp8"]
    assert [n.split()[0] for n in require_gpu(mixed, find_gpu("H100"))] == ["nvfp4"]
    assert require_gpu(mixed, find_gpu("B200")) == ()


def test_every_row_says_what_a_checkpoint_says_and_where_that_was_read():
    assert all(m.checkpoint and m.source for m in METHODS.values())
    assert all(
        m.kernels for m in METHODS.values() if m.bits is not None and m.plugin is None and not m.loads_as_model_dtype
    )


def test_a_name_is_taken_whatever_its_case():
    assert expand(["FP8", "Q4", "fp8"]) == ("fp8", "awq", "gptq", "w4a16")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("int4", ("awq", "gptq", "w4a16")), ("4-Bit", ("awq", "gptq", "w4a16")), ("bf16", ("none",)), ("awk", ("awq",))],
)
def test_an_unknown_name_offers_what_is_meant_and_every_name(name, meant):
    with pytest.raises(UnknownName) as refused:
        expand([name])
    assert refused.value.nearest == meant
    assert "core/" not in refused.value.hint
    assert all(method in refused.value.hint for method in METHODS)


def test_deepseek_v41_says_within_its_quantization_how_experts_are_stored_and_its_blocks_are_mxfp8():
    # 0.33 models/deepseek_v41/quant_config.py
    blocks = {"quant_method": "fp8", "weight_block_size": [32, 32], "expert_dtype": "fp4"}
    found = detect_in({"model_type": "deepseek_v41", "quantization_config": blocks})
    assert (found.method, found.group_size, found.block) == ("mxfp8", 32, None)
    assert schemes_of(found, ("ffn.experts.w1",), (4,))[0][0].method == "mxfp4"
    assert schemes_of(found, ("attn.wq_b",), (4,))[0][0].method == "mxfp8"
    of_v4 = detect_in({"model_type": "deepseek_v4", "quantization_config": blocks | {"weight_block_size": [128, 128]}})
    assert (of_v4.method, of_v4.block) == ("fp8", (128, 128))
