from __future__ import annotations

import re

import pytest

from infercli.core.quantization.checkpoint import UNQUANTIZED, Quantization, Scheme, detect, detect_in, typical
from infercli.core.quantization.module_names import read_modules
from infercli.core.quantization.schemes import EXPERTS, schemes_of
from infercli.errors import InputError, Unsupported


def group(format_: str, **weights) -> dict:
    inputs = {"num_bits": 8, "type": "int"} if format_ == "int-quantized" else None
    return groups(format_, {"weights": weights, "input_activations": inputs})


def groups(format_: str, *them: dict, **more) -> dict:
    named = {f"group_{i}": {"targets": ["Linear"], **g} for i, g in enumerate(them)}
    return {"quant_method": "compressed-tensors", "format": format_, "config_groups": named, **more}


RECOGNISED = {
    "nothing": (None, UNQUANTIZED),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
        Quantization(method="awq", bits=4, group_size=128, zero_points=True),
    ),
    "gptq with act-order": (
        {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": True, "sym": True},
        Quantization(method="gptq", bits=4, group_size=64, act_order=True),
    ),
    "gptq with one group per output": (
        {"quant_method": "gptq", "bits": 8, "group_size": -1, "desc_act": False, "sym": True},
        Quantization(method="gptq", bits=8),
    ),
    "w4a16": (
        group("pack-quantized", num_bits=4, type="int", group_size=128, symmetric=True, strategy="group"),
        Quantization(method="w4a16", bits=4, group_size=128),
    ),
    "fp8 per channel": (
        group("float-quantized", num_bits=8, type="float", strategy="channel"),
        Quantization(method="fp8", bits=8),
    ),
    "fp8 in blocks by compressed-tensors": (
        group("float-quantized", num_bits=8, type="float", strategy="block", block_structure=[128, 128]),
        Quantization(method="fp8", bits=8, block=(128, 128)),
    ),
    "fp8 in blocks": (
        {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]},
        Quantization(method="fp8", kv_scales=True, bits=8, block=(128, 128)),
    ),
    "int8": (
        group("int-quantized", num_bits=8, type="int", strategy="channel"),
        Quantization(method="int8", bits=8),
    ),
    "modelopt, from hf_quant_config.json, with an fp8 kv cache": (
        {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
        Quantization(
            method="fp8",
            kv_scales=True,
            bits=8,
            kv_cache_fp8_since=(0, 14),
            format_capability=(8, 0),
            unstated=("exclude_modules",),
        ),
    ),
    "modelopt without the method's name, whose wish for the kv cache vLLM overlooks": (
        {"quant_algo": "FP8", "kv_cache_scheme": "FP8", "producer": {"name": "modelopt"}, "ignore": ["lm_head"]},
        Quantization(
            method="fp8",
            kv_scales=True,
            bits=8,
            lm_head=True,
            format_capability=(8, 0),
            skipped=read_modules(["lm_head"], plain="contains"),
        ),
    ),
    "gpt-oss": (
        {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
        Quantization(method="mxfp4", bits=4, group_size=32, only=EXPERTS),
    ),
    "w8a16": (
        group("pack-quantized", num_bits=8, type="int", group_size=128, symmetric=True, actorder="group"),
        Quantization(method="w8a16", bits=8, group_size=128, act_order=True),
    ),
    "w4a8": (
        groups(
            "pack-quantized",
            {
                "weights": {"num_bits": 4, "type": "int", "group_size": 128},
                "input_activations": {"num_bits": 8, "type": "float"},
            },
        ),
        Quantization(method="w4a8", bits=4, group_size=128),
    ),
    "nvfp4 by compressed-tensors": (
        groups(
            "nvfp4-pack-quantized",
            {
                "weights": {"num_bits": 4, "type": "float", "group_size": 16},
                "input_activations": {"num_bits": 4, "type": "float", "group_size": 16},
            },
        ),
        Quantization(method="nvfp4", bits=4, group_size=16),
    ),
    "nvfp4 for the weights only": (
        group("nvfp4-pack-quantized", num_bits=4, type="float", group_size=16),
        Quantization(method="nvfp4a16", bits=4, group_size=16),
    ),
    "mxfp8": (
        {"quant_method": "mxfp8", "modules_to_not_convert": ["lm_head"]},
        Quantization(
            method="mxfp8", kv_scales=True, bits=8, group_size=32, skipped=read_modules(["lm_head"], plain="contains")
        ),
    ),
    "nvfp4 by modelopt": (
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "model.layers.0*"]},
        Quantization(
            method="nvfp4",
            kv_scales=True,
            bits=4,
            group_size=16,
            lm_head=True,
            skipped=read_modules(["lm_head", "model.layers.0*"], plain="contains"),
        ),
    ),
    "quark in mxfp4": (
        {
            "quant_method": "quark",
            "exclude": ["lm_head"],
            "export": {"kv_cache_group": []},
            "global_quant_config": {
                "weight": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "scale_format": "e8m0"}
            },
        },
        Quantization(
            method="mxfp4", kv_scales=True, bits=4, group_size=32, skipped=read_modules(["lm_head"], plain="path")
        ),
    ),
    "quark in fp8 blocks": (
        {
            "quant_method": "quark",
            "global_quant_config": {"weight": {"dtype": "fp8_e4m3", "qscheme": "per_block", "block_size": [128, 128]}},
        },
        Quantization(method="fp8", kv_scales=True, bits=8, block=(128, 128)),
    ),
    "quark in nvfp4": (
        {
            "quant_method": "quark",
            "global_quant_config": {
                "weight": [
                    {"dtype": "fp4", "qscheme": "per_group", "group_size": 16},
                    {"dtype": "fp8_e4m3", "qscheme": "per_tensor"},
                ]
            },
        },
        Quantization(method="nvfp4", kv_scales=True, bits=4, group_size=16),
    ),
    "autoround": (
        {
            "quant_method": "auto-round",
            "bits": 4,
            "group_size": 128,
            "sym": True,
            "data_type": "int",
            "packing_format": "auto_round:auto_gptq",
            "block_name_to_quantize": "model.language_model.layers",
        },
        Quantization(
            method="gptq", bits=4, group_size=128, only=read_modules(["model.language_model.layers"], plain="path")
        ),
    ),
    "autoround in the layout of awq": (
        {
            "quant_method": "auto-round",
            "bits": 4,
            "group_size": 32,
            "sym": False,
            "packing_format": "auto_round:auto_awq",
        },
        Quantization(method="awq", bits=4, group_size=32, zero_points=True),
    ),
    "autoround in fp8 blocks": (
        {"quant_method": "auto-round", "bits": 8, "group_size": [128, 128], "data_type": "fp"},
        Quantization(method="fp8", bits=8, block=(128, 128)),
    ),
    "autoround in mxfp4": (
        {"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp4e2m1"},
        Quantization(method="mxfp4", bits=4, group_size=32),
    ),
    "bitsandbytes": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, typical("bitsandbytes")),
    "gguf": ({"quant_method": "gguf"}, typical("gguf")),
    "two groups of one kind": (
        groups(
            "float-quantized",
            *(
                {"weights": {"num_bits": 8, "type": "float"}, "targets": [t]}
                for t in ("re:.*mlp.*", "re:.*self_attn.*")
            ),
        ),
        Quantization(method="fp8", bits=8, only=read_modules(["re:.*mlp.*", "re:.*self_attn.*"], plain="path")),
    ),
    "fp8 that asks for an fp8 kv cache": (
        group("float-quantized", num_bits=8, type="float") | {"kv_cache_scheme": {"num_bits": 8, "type": "float"}},
        Quantization(method="fp8", kv_scales=True, bits=8, kv_cache_fp8_since=(0, 15)),
    ),
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_what_a_checkpoint_says_is_recognised(name):
    config, expected = RECOGNISED[name]
    assert detect(config) == expected


REFUSED = {
    "aqlm": ({"quant_method": "aqlm"}, "aqlm"),
    "bitsandbytes with 8 bits": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "8 bits"),
    "an unknown algorithm of modelopt": ({"quant_method": "modelopt", "quant_algo": "W3A3"}, "W3A3"),
    "a mixture without modules": ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "quantized_layers"),
    "nvfp4 in other groups": (
        {"quant_method": "modelopt", "quantization": {"quant_algo": "NVFP4", "group_size": 32}}, "groups of 16",
    ),
    "3-bit gptq": ({"quant_method": "gptq", "bits": 3}, "3 bits"),
    "8-bit awq": ({"quant_method": "awq", "bits": 8}, "8 bits"),
    "quark in two stages": (
        {"quant_method": "quark", "global_quant_config": {"weight": [
            {"dtype": "fp8_e4m3", "qscheme": "per_tensor"}, {"dtype": "int4", "qscheme": "per_channel"}]}},
        "fp8_e4m3 per_tensor and int4 per_channel",
    ),
    "quark without weights": ({"quant_method": "quark", "global_quant_config": {"weight": None}}, "no weights"),
    "2-bit autoround": ({"quant_method": "auto-round", "bits": 2, "group_size": 128}, "2 bits"),
    "autoround by module only": ({"quant_method": "autoround", "bits": 16, "group_size": 128}, "16"),
    "fp8 by autoround with one scale": (
        {"quant_method": "auto-round", "bits": 8, "group_size": -1, "data_type": "fp"}, "8-bit fp",
    ),
    "2 bits by compressed-tensors": (group("pack-quantized", num_bits=2, type="int"), "pack-quantized, 2-bit int"),
    "no groups": ({"quant_method": "compressed-tensors", "config_groups": {}}, "config_groups"),
    "no method": ({"bits": 4}, "nothing that it names"),
    "not an object": (["awq"], "list"),
    "an nvfp4 kv cache": (
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "NVFP4"},
        "KV cache in `NVFP4`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_format_that_is_not_taught_is_refused_by_name_with_the_file_to_extend(name):
    config, words = REFUSED[name]
    with pytest.raises(Unsupported) as refused:
        detect(config)
    assert words in refused.value.message
    hint = r"to teach it: a (row|branch) in core/quantization/(methods|auto_round|quark)\.py"
    assert re.search(hint, refused.value.hint)


# Which modules are quantized. Layers 0 to 3 of a model whose first two differ.

LAYERS = (0, 1, 2, 3)
NVFP4 = Scheme(method="nvfp4", bits=4, group_size=16)
FP8 = Scheme(method="fp8", bits=8)


def modelopt(excluded: list[str]) -> Quantization:
    return detect({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": excluded})


@pytest.mark.parametrize(
    ("excluded", "module", "left_out"),
    [
        (["model.layers.0*"], "mlp.experts", 1),
        (["model.layers.1.*", "model.layers.0*"], "self_attn.q_proj", 2),
        ([f"language_model.model.layers.{i}.self_attn*" for i in LAYERS], "self_attn.q_proj", 4),
        (["model.layers.2.self_attn.o_proj"], "self_attn.q_proj", 0),
        (["*.mlp.shared_expert.*"], "mlp.shared_expert.up_proj", 4),
        (["*.mlp.shared_expert.*"], "mlp.experts", 0),
        (["model.layers.3.mlp.gate"], "mlp.experts", 0),
        (["mtp*", "model.visual*", "lm_head"], "mlp.experts", 0),
    ],
)
def test_modelopt_leaves_out_what_a_wildcard_or_a_part_of_a_name_means(excluded, module, left_out):
    found = dict(schemes_of(modelopt(excluded), (module,), LAYERS))
    assert found.get(None, 0) == left_out
    assert found.get(NVFP4, 0) == 4 - left_out


def test_a_merged_tensor_is_left_out_with_any_of_its_parts():
    found = schemes_of(modelopt(["model.layers.1.self_attn.k_proj"]), ("self_attn.q_proj", "self_attn.k_proj"), LAYERS)
    assert dict(found) == {NVFP4: 3, None: 1}


def test_lm_head_is_quantized_by_modelopt_unless_excluded_and_by_others_never():
    assert schemes_of(modelopt([]), ("lm_head",), (), head=True) == ((NVFP4, 1),)
    assert schemes_of(modelopt(["lm_head"]), ("lm_head",), (), head=True) == ((None, 1),)
    assert schemes_of(detect({"quant_method": "fp8"}), ("lm_head",), (), head=True) == ((None, 1),)
    assert schemes_of(typical("awq"), ("lm_head",), (), head=True) == ((None, 1),)


def test_expressions_and_names_of_compressed_tensors_leave_modules_out():
    # As Kimi-K2.5 says it: the dense first layer, attention and shared experts stay; routed experts are packed.
    ignore = ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"]
    found = detect({**group("pack-quantized", num_bits=4, type="int", group_size=32), "ignore": ignore})
    w4a16 = Scheme(method="w4a16", bits=4, group_size=32)
    assert schemes_of(found, ("mlp.experts.gate_proj",), LAYERS) == ((w4a16, 4),)
    for module in ("self_attn.kv_b_proj", "mlp.shared_experts.up_proj", "mlp.down_proj"):
        assert schemes_of(found, (module,), LAYERS) == ((None, 4),)


def test_names_of_targets_win_over_classes():
    found = detect(
        groups(
            "mixed-precision",
            {"weights": {"num_bits": 8, "type": "float"}, "format": "float-quantized"},
            {
                "weights": {"num_bits": 4, "type": "float", "group_size": 16},
                "input_activations": {"num_bits": 4},
                "targets": ["re:.*experts.*", "model.layers.2.mlp.down_proj"],
            },
        )
    )
    assert found.method == "mixed"
    assert [m.name for m in found.methods] == ["mixed", "nvfp4", "fp8"]
    assert schemes_of(found, ("mlp.experts",), LAYERS) == ((NVFP4, 4),)
    assert dict(schemes_of(found, ("mlp.down_proj",), LAYERS)) == {NVFP4: 1, FP8: 3}
    assert schemes_of(found, ("lm_head",), (), head=True) == ((None, 1),)


def test_a_mixed_checkpoint_says_of_each_module_what_it_is_and_leaves_out_the_rest():
    layers = {f"model.layers.{i}.mlp.experts.{e}.{p}_proj": {"quant_algo": "NVFP4", "group_size": 16}
              for i in (1, 2, 3) for e in range(3) for p in ("gate", "up", "down")}  # fmt: skip
    layers["model.layers.0.mlp.down_proj"] = {"quant_algo": "FP8"}
    stated = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}
    found = detect({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, {"quantization": stated})
    assert found == detect(stated)
    assert dict(schemes_of(found, ("mlp.experts.gate_proj", "mlp.experts.up_proj"), LAYERS)) == {NVFP4: 3, None: 1}
    assert dict(schemes_of(found, ("mlp.down_proj",), LAYERS)) == {FP8: 1, None: 3}
    assert schemes_of(found, ("self_attn.o_proj",), LAYERS) == ((None, 4),)
    # 27 modules of experts are three patterns: 22,000 of them must not cost more than their reading
    assert sum(len(meant.patterns) for meant, _ in found.by_module) == 4


def test_gptq_says_by_expression_what_is_left_out_and_what_is_stored_otherwise():
    dynamic = {"-:.*self_attn.*": {}, "+:.*\\.down_proj": {"bits": 8, "group_size": 32}}
    found = detect({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "dynamic": dynamic})
    assert schemes_of(found, ("self_attn.o_proj",), LAYERS) == ((None, 4),)
    assert schemes_of(found, ("mlp.down_proj",), LAYERS) == ((Scheme(method="gptq", bits=8, group_size=32), 4),)
    assert schemes_of(found, ("mlp.up_proj",), LAYERS) == ((Scheme(method="gptq", bits=4, group_size=128), 4),)


def test_autoround_says_by_name_and_by_expression_what_has_other_bits():
    own = {
        "model.layers.2.self_attn.o_proj": {"bits": 16, "data_type": "fp"},
        "mlp\\.(gate|up)_proj": {"bits": 8},
        "lm_head": {"bits": 4},
    }
    found = detect({"quant_method": "auto-round", "bits": 4, "group_size": 64, "extra_config": own})
    four, eight = (Scheme(method="gptq", bits=bits, group_size=64) for bits in (4, 8))
    assert dict(schemes_of(found, ("self_attn.o_proj",), LAYERS)) == {four: 3, None: 1}
    assert schemes_of(found, ("mlp.up_proj",), LAYERS) == ((eight, 4),)
    assert schemes_of(found, ("lm_head",), (), head=True) == ((four, 1),)


def test_autoround_passes_over_an_expression_that_is_none_as_vllm_does():
    said = {"quant_method": "auto-round", "bits": 4, "group_size": 64}
    assert detect(said | {"extra_config": {"*mlp.gate": {"bits": 16}}}) == detect(said)


def test_mxfp4_and_a_list_of_blocks_leave_out_everything_else():
    assert schemes_of(typical("mxfp4"), ("self_attn.o_proj",), LAYERS) == ((None, 4),)
    assert schemes_of(typical("mxfp4"), ("mlp.experts.gate_up_proj",), LAYERS)[0][0].method == "mxfp4"
    blocks = {"quant_method": "gptq", "bits": 4, "modules_in_block_to_quantize": [["mlp.up_proj", "mlp.down_proj"]]}
    assert schemes_of(detect(blocks), ("self_attn.o_proj",), LAYERS) == ((None, 4),)
    assert schemes_of(detect(blocks), ("mlp.down_proj",), LAYERS)[0][0].method == "gptq"


def test_deepseek_v4_says_outside_its_quantization_how_experts_are_stored():
    blocks = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    v4 = {"model_type": "deepseek_v4", "quantization_config": blocks}
    experts = {
        "fp4": "mxfp4",  # models/deepseek_v4/quant_config.py
        "fp8": "fp8",
    }
    for dtype, method in experts.items():
        found = detect_in({**v4, "expert_dtype": dtype})
        assert schemes_of(found, ("ffn.experts.w1",), LAYERS)[0][0].method == method
        assert schemes_of(found, ("attn.wq_b",), LAYERS)[0][0].method == "fp8"
    nvfp4 = detect_in({**v4, "quantization_config": {**blocks, "moe_quant_algo": "NVFP4"}})
    assert schemes_of(nvfp4, ("ffn.experts.w1",), LAYERS)[0][0].method == "nvfp4"
    with pytest.raises(Unsupported, match="expert_dtype"):
        detect_in({**v4, "expert_dtype": "fp6"})


def test_the_statement_is_found_where_vllm_looks():
    awq = {"quant_method": "awq", "bits": 4}
    for config in ({"quantization_config": awq}, {"text_config": {"quantization_config": awq}}):
        assert detect_in(config).method == "awq"
    assert detect_in({}, {"quantization": {"quant_algo": "FP8"}}).method == "fp8"
    assert detect_in({"quantization_config": awq}, {"quantization": {"quant_algo": "FP8"}}).method == "awq"
    assert detect_in({}) == UNQUANTIZED


def test_mixed_precision_without_a_checkpoint_is_nothing():
    with pytest.raises(InputError, match="what a checkpoint says of each module"):
        typical("mixed")


def test_a_usual_nvfp4_checkpoint_keeps_gated_delta_and_draft_layers_in_16_bits():
    # As nvidia/Qwen3.5-122B-A10B-NVFP4 and -397B list them; Sehyo's drafts took 16 bits as well (75.17 - 70.47 GiB)
    usual = typical("nvfp4")
    assert schemes_of(usual, ("linear_attn.out_proj",), LAYERS) == ((None, 4),)
    assert schemes_of(usual, ("mlp.experts.up_proj",), LAYERS) == ((NVFP4, 4),)
    assert usual.skipped.covered("mtp.layers.0.mlp", ())


@pytest.mark.parametrize(
    "config",
    [
        {"quant_method": "fp8", "weight_block_size": [128]},
        {"quant_method": "fp8", "weight_block_size": [-128, 128]},
        {"quant_method": "fp8", "weight_block_size": [float("inf"), 128]},
        {"quant_method": "fp8", "ignored_layers": 7},
        {"quant_method": "awq", "bits": "four"},
        {"quant_method": "awq", "bits": 4, "group_size": None},
        {"quant_method": "gptq", "bits": 4, "dynamic": ["-:.*mlp.*"]},
        {"quant_method": "gptq", "bits": 4, "dynamic": {"+:.*mlp.*": 8}},
        {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": "fp8"}},
        {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": 3},
        {"quant_method": "gptq", "bits": 4, "dynamic": {"-:*mlp": {}}},
        {
            "quant_method": "quark",
            "exclude": ["re:*mlp"],
            "global_quant_config": {"weight": {"dtype": "fp8_e4m3", "qscheme": "per_tensor"}},
        },
        {"quant_method": "quark", "global_quant_config": {"weight": []}},
        {"quant_method": "auto-round", "bits": 4},
        {"quant_method": "auto-round", "bits": 4, "group_size": 128, "extra_config": ["lm_head"]},
    ],
)
def test_a_damaged_quantization_config_is_refused_in_words(config):
    with pytest.raises(InputError, match=r"config\.json: quantization_config"):
        detect(config)
