"""Every parameter that vLLM's own model class holds on a rank must be counted, and no other (weights_oracle.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.core.architecture.families import ROWS
from infercli.core.schemes import UNQUANTIZED
from infercli.core.tensor_parallel import layout_problems
from tests.core.class_models import CLASSES, NOT_ASKED
from tests.parts.engine_python import ask_vllm

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
    counted = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, layout))
    assert counted == sum(said["parameters"].values())
    # What RoBERTa's positions begin with is no token's; vLLM has the length without them from the tokenizer.
    before = 2 if "Roberta" in arch.architecture else 0
    assert (arch.short_model_len or arch.max_model_len) + before == said["longest"]


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
