"""Every parameter that vLLM's own model class holds on a rank must be counted, and no other (weights_oracle.py)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, ModelArch, rank_tensors
from infercli.core.architecture.families import ROWS
from infercli.core.estimates.tensor_parallel import layout_problems
from infercli.core.quantization.schemes import UNQUANTIZED
from tests.core.against_vllm.class_models import CLASSES, NOT_ASKED, padding
from tests.parts.engine_python import ask_vllm
from tests.parts.require import require

FOLDER = Path(os.environ.get("INFERCLI_TRUTH") or "/nonexistent", "configs")
UNBUILT = ("stepfun-ai--Step-3.7-Flash-FP8", "sgl-project--DeepSeek-V4")
"""Real files that vLLM 0.29 does not build, by name or a part of it: a class and a model_type that it does not have."""
ORACLE = Path(__file__).with_name("weights_oracle.py")
CASES = [(name, ranks) for name in CLASSES for ranks in (1, 2, 4)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, int], dict]:
    asked = [
        {
            "config": CLASSES[name],
            "tp": ranks,
            "runner": "pooling" if architecture.parse(CLASSES[name]).pooling else "auto",
        }
        for name, ranks in CASES
    ]
    return dict(zip(CASES, ask_vllm(ORACLE, asked, tmp_path_factory.mktemp("oracle")), strict=True))


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_we_count_the_parameters_that_vllm_holds_and_refuse_the_splits_that_it_refuses(answers, name, ranks):
    said, arch = answers[name, ranks], architecture.parse(CLASSES[name])
    layout = Layout(tensor_parallel_size=ranks)
    refused = layout_problems(arch, UNQUANTIZED, layout)
    assert bool(refused) == ("not_built" in said), (refused, said.get("not_built"))
    if refused:
        return
    counted = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, layout) if t.role != "encoder")
    assert counted == sum(said["parameters"].values())
    before = padding(arch)
    assert (arch.short_model_len or arch.max_model_len) + before == said["longest"]


def shape(config: dict) -> dict:
    """Without what does not decide the shape, and asks for kernels or code that this machine lacks."""
    kept = {k: v for k, v in config.items() if k not in ("quantization_config", "auto_map")}
    return {k: shape(v) if k == "text_config" else v for k, v in kept.items()}


def real() -> dict[str, dict]:
    """The real config.json files of INFERCLI_TRUTH, one of each architecture."""
    found: dict[ModelArch, tuple[str, dict]] = {}
    for path in sorted(FOLDER.glob("*_config.json")):
        if not path.name.endswith("hf_quant_config.json"):
            config = shape(json.loads(path.read_text()))
            found.setdefault(architecture.parse(config), (path.name.removesuffix("_config.json"), config))
    return dict(found.values())


@pytest.mark.vllm
@pytest.mark.slow
def test_decoders_of_real_files_hold_the_parameters_that_vllms_hold(tmp_path):
    require(
        "truth", None if FOLDER.is_dir() else f"{FOLDER} does not exist: INFERCLI_TRUTH names the folder of records"
    )
    cases = [(name, config, ranks) for name, config in real().items() for ranks in (1, 2, 4)]
    answers = ask_vllm(ORACLE, [{"config": config, "tp": ranks} for _, config, ranks in cases], tmp_path)
    compared = 0
    for (name, config, ranks), said in zip(cases, answers, strict=True):
        if any(part in name for part in UNBUILT):
            continue
        assert "not_built" not in said, (name, said)
        tensors = rank_tensors(architecture.parse(config), Layout(tensor_parallel_size=ranks))
        counted = sum(t.copies * t.outputs * t.inputs for t in tensors if t.role != "encoder")
        assert counted == sum(said["parameters"].values()), (name, ranks)
        compared += 1
    print(f"\n{compared} ranks of real models hold as many parameters as vLLM's")
    assert compared > 60


@pytest.mark.vllm
@pytest.mark.slow
def test_the_lm_head_is_the_embedding_where_vllm_has_it_so(tmp_path):
    """Asked with the other value of `tie_word_embeddings`, which some classes do not read."""
    flipped = {
        config["architectures"][0]: config | {"tie_word_embeddings": not architecture.parse(config).tied}
        for config in CLASSES.values()
    }
    asked = [{"config": config, "tp": 1} for config in flipped.values() if not architecture.parse(config).pooling]
    answers = ask_vllm(ORACLE, asked, tmp_path)
    compared = 0
    for case, said in zip(asked, answers, strict=True):
        if "not_built" not in said:  # some refuse a head that is the embedding
            arch = architecture.parse(case["config"])
            assert arch.tied != any("lm_head" in name or "embed_out" in name for name in said["parameters"]), arch
            compared += 1
    assert compared > 90


def test_every_class_without_an_encoder_is_asked_about():
    taught = {*architecture.FAMILIES, *ROWS}
    assert taught <= {config["architectures"][0] for config in CLASSES.values()} | set(NOT_ASKED)
    assert not set(NOT_ASKED) - taught
