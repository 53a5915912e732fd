"""Profiles that nobody wrote: a GPU and how many."""

from __future__ import annotations

from pathlib import Path

import pytest

from infercli.adapters.files import price_list, profile_files, read_document
from infercli.core.documents.bare_profile import bare_profile, meant
from infercli.core.documents.profile import HardwareProfile
from infercli.core.quantization.methods import expand
from infercli.errors import Unsupported

PRICES = price_list(Path("nowhere"))


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("rtx3090x2", "rtx3090-x2"),
        ("2xh100", "h100-x2"),
        ("8 x H100", "h100-x8"),
        ("H100:8", "h100-x8"),
        ("2 x RTX 4090", "rtx-4090-x2"),
        ("2x4090", "rtx-4090-x2"),
        ("4090x2", "rtx-4090-x2"),
    ],
)
def test_a_gpu_and_how_many_in_other_words_is_offered_as_a_profile_that_is_one(typed, first):
    assert bare_profile(typed, PRICES) is None
    assert meant(typed)[0] == first
    assert all(bare_profile(name, PRICES) is not None for name in meant(typed))


@pytest.mark.parametrize("typed", ["h100", "rtx-4090-x0", "200xh100", "p5.48xlarge", "2x"])
def test_what_says_no_gpu_or_no_number_that_a_machine_has_is_offered_as_none(typed):
    assert meant(typed) == []


@pytest.mark.parametrize(
    ("name", "gpu", "nodes", "per_node", "link", "price"),
    [
        ("b200-x8", "B200", 1, 8, "nvlink", "B200"),
        ("T4", "T4", 1, 1, None, "T4"),
        ("rtx-5090-x2", "RTX-5090", 1, 2, "pcie", None),
        ("mi300x", "MI300X", 1, 1, None, None),
        ("h200-x16", "H200", 2, 8, "nvlink", "H200-SXM"),
        ("gb10-x2", "GB10", 2, 1, None, None),  # one GPU a machine, which shares its memory
    ],
)
def test_a_gpu_and_how_many_are_a_profile(name, gpu, nodes, per_node, link, price):
    found = bare_profile(name, PRICES)
    assert found is not None
    assert (found.name, found.gpu, found.interconnect, found.price) == (name, gpu, link, price)
    assert (found.nodes[0].count, found.nodes[0].gpus) == (nodes, per_node)


@pytest.mark.parametrize("name", ["nope", "h200-x12", "h100-x0", "l4-pool", "my-machines", "", "l4\nx2"])
def test_anything_else_is_none(name):
    assert bare_profile(name, PRICES) is None


def test_a_part_of_a_gpu_is_refused():
    with pytest.raises(Unsupported):
        bare_profile("h100-mig-3g.40gb", PRICES)


def test_what_a_checkpoint_may_be_is_what_the_gpu_runs():
    def accepted(name):
        found = bare_profile(name, PRICES)
        assert found is not None
        return found.quantizations

    assert accepted("b200")[:2] == ("fp8", "nvfp4")
    assert "int8" not in accepted("b200")
    assert "nvfp4" not in accepted("h100")
    assert accepted("T4")[-1] == "none"


def test_it_is_the_shipped_profile_but_for_what_only_a_person_can_say():
    for path in profile_files(Path("nowhere")):
        written = read_document(path, HardwareProfile)
        made = bare_profile(path.stem, PRICES)
        if written.gpu is None or made is None:
            continue
        alike = {"gpu", "nodes", "interconnect", "price"}
        assert made.model_dump(include=alike) == written.model_dump(include=alike), path.name
        assert set(made.quantizations) == set(expand(written.quantizations)), path.name
