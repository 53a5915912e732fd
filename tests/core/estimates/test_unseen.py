"""Model classes of which nothing real was seen: answered from vLLM's source, said to be so, and never said to fit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.pooled import POOLED
from infercli.core.architecture.unseen import UNSEEN
from infercli.core.architecture.wrappers import WRAPPERS
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.core.estimates.answer import EstimateError
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import read_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.planning import plan
from infercli.errors import Unsupported
from tests.parts.require import require

# Two layers of width 512. Embedding and head: 2 x 1,024 x 512 = 1,048,576. Attention: 4 x 512 x 512 = 1,048,576 each;
# gate, up and down: 3 x 512 x 2,048 = 3,145,728; norms: 2 x 512, and OLMo 2 has norms of the width on q and k: 2 x 512.
# Final norm: 512.
OLMO2 = {
    "architectures": ["Olmo2ForCausalLM"], "vocab_size": 1024, "hidden_size": 512, "intermediate_size": 2048,
    "num_hidden_layers": 2, "num_attention_heads": 8, "max_position_embeddings": 2048, "dtype": "bfloat16",
}  # fmt: skip
PARAMETERS = 1_048_576 + 2 * (1_048_576 + 3_145_728 + 2 * 512 + 2 * 512) + 512
NOTE = "no real config.json or log of Olmo2ForCausalLM was seen: its shape follows vLLM's model source"
PROFILE = HardwareProfile(name="l4", gpu="L4", nodes=(NodeGroup(gpus=1),))


def ask(config: dict, **settings):
    request = EstimateRequest(model="m", gpu="L4", engine_version="0.19.0", **settings)
    answer = estimate(request, read_model("m", config))
    assert not isinstance(answer, EstimateError), answer
    return answer


def planned(size_bytes: int, config: dict = OLMO2):
    files = (LockedFile(path="model.safetensors", size_bytes=size_bytes, sha256="0" * 64),)
    model = LockedModel(id="./m", source="directory", directory="/m", files=files, config=config)
    deployment = ModelDeployment(name="chat", model="./m", profile="l4")
    return plan.planned(
        deployment, PROFILE, model, infercli_version="0", engine_code_digest="e" * 12, front_code_digest="f" * 12
    ).plan


def test_an_unseen_class_is_answered_and_never_said_to_start():
    answer = ask(OLMO2)
    assert answer.starts is None
    assert answer.reason.endswith(NOTE)
    assert answer.missing_bytes == 0
    assert answer.notes.count(NOTE) == 1
    llama = ask(OLMO2 | {"architectures": ["LlamaForCausalLM"]})
    assert llama.starts is True
    assert not any("was seen" in note for note in llama.notes)


def test_an_unseen_class_that_cannot_fit_is_still_refused():
    wide = {"hidden_size": 8192, "intermediate_size": 65536, "num_hidden_layers": 64, "num_attention_heads": 64}
    assert ask(OLMO2 | wide).starts is False


def test_classes_made_of_an_unseen_one_are_unseen():
    pooled = architecture.parse(OLMO2 | {"architectures": ["Olmo2ForSequenceClassification"]})
    assert (pooled.architecture, pooled.confirmed) == ("Olmo2ForSequenceClassification", False)
    assert architecture.parse(OLMO2 | {"architectures": ["LlamaForSequenceClassification"]}).confirmed


@pytest.mark.parametrize(("off", "fits"), [(0.0, True), (0.009, True), (-0.009, True), (0.02, None), (-0.02, None)])
def test_files_that_hold_what_was_counted_take_the_doubt_away(off, fits):
    plan = planned(round(2 * PARAMETERS * (1 + off)))
    assert plan.fits is fits, plan.verdict
    assert (NOTE in plan.notes) is (fits is None)
    assert (NOTE in plan.verdict) is (fits is None)


def test_the_table_names_only_taught_classes():
    assert not UNSEEN - set(ROWS) - set(WRAPPERS) - set(architecture.FAMILIES) - set(POOLED)


@pytest.mark.parametrize("name", ["KimiK2ForCausalLM", "Exaone4MoEForCausalLM", "XLMRobertaForMaskedLM"])
def test_classes_that_no_source_has_are_refused(name):
    with pytest.raises(Unsupported, match=name):
        architecture.parse(OLMO2 | {"architectures": [name]})


def test_no_class_of_a_public_config_is_in_the_table():
    folder = os.environ.get("INFERCLI_TRUTH")
    require("truth", None if folder else "INFERCLI_TRUTH is not set: the folder with the config.json files")
    paths = [p for p in Path(folder or "", "configs").glob("*_config.json") if "hf_quant" not in p.name]
    parsed = [architecture.parse(json.loads(path.read_text())) for path in paths]
    assert len(parsed) > 60
    assert all(arch.confirmed for arch in parsed)
