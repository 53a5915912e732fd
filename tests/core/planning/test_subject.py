"""Which model is planned: what its checkpoint says, what was asked for, and what its files hold."""

from __future__ import annotations

import pytest

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.core.planning.subject import Subject, resolve
from infercli.core.shapes import shapes
from infercli.errors import InputError, Unsupported
from tests.core.configs import config_of

LLAMA = shapes()["meta-llama/Llama-3.1-8B"]
EVERY = ("none", "awq", "gptq", "w4a16", "fp8", "nvfp4", "mixed")


def asked(quantization: str | None = None, stated: dict | None = None, size_bytes: int = 0) -> Subject:
    """A pinned Llama-3.1-8B whose config states `stated`; without `stated` its shape."""
    deployment = ModelDeployment(name="chat", model="meta-llama/Llama-3.1-8B", profile="gpu", quantization=quantization)
    profile = HardwareProfile(name="gpu", gpu="H100", nodes=(NodeGroup(gpus=1),), quantizations=EVERY)
    locked = None
    if stated is not None:
        files = (LockedFile(path="model.safetensors", size_bytes=size_bytes, sha256="0" * 64),) if size_bytes else ()
        config = config_of(LLAMA.arch)
        locked = LockedModel(
            id="some/model", source="hub", commit="a" * 40, files=files, config=config, quantization_config=stated
        )
    return resolve(deployment, profile, locked)


@pytest.mark.parametrize(
    ("method", "stated", "package"),
    [
        ("gguf", None, "vllm-gguf-plugin"),
        ("bitsandbytes", None, "vllm-bnb-plugin"),
        (None, {"quant_method": "bitsandbytes", "load_in_4bit": True}, "vllm-bnb-plugin"),
        (None, {"quant_method": "gguf"}, "vllm-gguf-plugin"),
    ],
)
def test_what_vllm_no_longer_runs_itself_is_refused_with_its_package_and_the_way_out(method, stated, package):
    with pytest.raises(Unsupported) as refused:
        asked(method, stated)
    assert package in refused.value.message
    assert "AWQ or W4A16" in refused.value.hint


def test_mixed_precision_needs_a_checkpoint():
    with pytest.raises(InputError, match="what a checkpoint says of each module"):
        asked("mixed")


def test_a_checkpoint_that_hides_what_it_left_out_is_planned_and_says_so():
    subject = asked(stated={"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}})
    assert subject.quantization.method == "nvfp4"
    assert subject.quantization.kv_cache_fp8
    assert subject.notes == (
        "the quantization config has no exclude_modules: planned as if every linear layer but lm_head were quantized",
    )


def test_layers_that_the_config_names_explain_the_files_and_need_no_guess():
    # W4A16 in groups of 128: 4.125 bits; attention left out: 32 x 41,943,040 weights at 16 bits instead
    attention, mlp, tables = 32 * 41_943_040, 32 * 176_160_768, 2 * 128_256 * 4096
    held = int(mlp * 4.125 / 8 + attention * 2 + tables * 2)
    groups = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 128}}}
    stated = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": groups}
    told = asked(stated={**stated, "ignore": ["lm_head", "re:.*self_attn.*"]}, size_bytes=held)
    assert told.quantization.unexplained_fraction == 0
    assert told.notes == ()
    silent = asked(stated=stated, size_bytes=held)
    assert silent.quantization.unexplained_fraction == pytest.approx(
        held / (tables * 2 + (mlp + attention) * 4.125 / 8) - 1, abs=0.002
    )
    assert "more than w4a16 explains" in silent.notes[0]
