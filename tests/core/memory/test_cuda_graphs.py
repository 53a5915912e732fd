"""What is captured in graphs, and from which version on it is inside the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture import as_pooling
from infercli.core.engines import find_engine
from infercli.core.engines.facts import Band
from infercli.core.gpus import find_gpu
from infercli.core.memory.batch import Draft
from infercli.core.memory.cuda_graphs import cuda_graphs, graph_parts, graph_sizes, graphs_in_budget, graphs_kind
from infercli.core.memory.lora import Adapters
from infercli.core.quantization.checkpoint import UNQUANTIZED
from infercli.core.shapes import shapes
from infercli.core.units import GIB, MIB
from tests.core.memory.batches import LLAMA, MI300X, V0_19, V0_25, V0_29, load


def test_cuda_graphs_are_inside_the_budget_from_020_on_and_on_rocm_from_026():
    inside = {v: graphs_in_budget(LLAMA, UNQUANTIZED, load(), find_engine(v)) for v in ("0.19.1", "0.20.0", "0.29.0")}
    assert inside == {"0.19.1": False, "0.20.0": True, "0.29.0": True}
    assert not graphs_in_budget(LLAMA, UNQUANTIZED, load(), V0_25)  # the V2 runner estimated none until 0.29
    qwen = shapes()["Qwen/Qwen3.5-27B"].arch  # whose runner is the first one in all of these
    on_rocm = {v: graphs_in_budget(qwen, UNQUANTIZED, load(gpu=MI300X), find_engine(v)) for v in ("0.25.1", "0.26.0")}
    assert on_rocm == {"0.25.1": False, "0.26.0": True}
    assert graphs_in_budget(LLAMA, UNQUANTIZED, load(gpu=MI300X), V0_29)
    assert not graphs_in_budget(LLAMA, UNQUANTIZED, load(gpu=find_gpu("B60")), V0_29)


def test_an_instinct_is_told_from_a_radeon_by_its_memory_and_not_by_its_units():
    kinds = {name: graphs_kind(find_gpu(name)) for name in ("MI210", "MI250X", "MI300X", "W7900", "R9700")}
    assert kinds == {"MI210": "cdna", "MI250X": "cdna", "MI300X": "cdna", "W7900": "rocm", "R9700": "rocm"}


def test_no_cuda_graphs_with_enforce_eager():
    assert cuda_graphs(LLAMA, load(eager=True), V0_29).high == 0


def test_the_graphs_of_a_layer_go_with_its_sizes_its_stage_and_what_drafts():
    def layers(at):
        return graph_parts(LLAMA, at, V0_19)["layers"].typical

    whole = layers(load(seqs=256))
    few = load(seqs=8)
    assert layers(few) == pytest.approx(whole * graph_sizes(few, V0_19) / V0_19.all_graph_sizes)
    assert layers(load(seqs=8)) < whole / 10
    assert layers(load(seqs=1024)) == whole  # no more sizes are captured
    assert layers(load(stages=2)) == whole / 2
    drafting = Draft(shapes()["meta-llama/Llama-3.2-1B"].arch, UNQUANTIZED)
    assert layers(replace(load(), draft=drafting)) == pytest.approx(whole * (32 + 16) / 32)


def test_two_hopper_ranks_share_what_one_captures_for_itself():
    # 0.19: 0.15 GiB less with two H100, 0.24 with four
    any_capture = {tp: graph_parts(LLAMA, load(tp), V0_19)["any_capture"].typical / GIB for tp in (1, 2, 4)}
    assert [any_capture[1] - any_capture[tp] for tp in (2, 4)] == pytest.approx([0.15, 0.24], abs=0.01)


def test_graphs_are_captured_with_and_without_adapters():
    plain = graph_parts(LLAMA, load(), V0_29)
    adapted = graph_parts(LLAMA, replace(load(), adapters=Adapters(max_loras=1, max_lora_rank=16)), V0_29)
    for part, band in plain.items():
        assert (adapted[part].typical, adapted[part].high) == (band.typical, 2 * band.high)


def test_flashinfer_takes_its_workspace_with_the_first_graph_of_a_whole_step():
    # 0.22 estimated 0.40 and 0.41 GiB with three and five sizes, and 0.08 with ten where a model pools
    def workspace(at, version="0.22.0", arch=LLAMA):
        return graph_parts(arch, replace(at, flashinfer=True), find_engine(version)).get("flashinfer_workspace")

    b200, l40s = find_gpu("B200"), find_gpu("L40S")
    assert workspace(load(gpu=b200)).typical == 394 * MIB
    assert workspace(load(gpu=l40s, tokens=8192)) == Band(low=394 * MIB, typical=394 * MIB, high=512 * MIB)
    assert workspace(load(gpu=l40s, tokens=8192), "0.29.0").typical == 512 * MIB  # 8,192 x 32 heads x 128 x 16 bytes
    assert workspace(load(2, gpu=l40s, tokens=8192), "0.29.0").typical == 394 * MIB
    assert workspace(load(gpu=b200), "0.19.0") is None
    assert workspace(load(gpu=b200), arch=as_pooling(LLAMA)) is None
    assert workspace(load(gpu=b200, eager=True)) is None
    drafting = [workspace(replace(load(gpu=gpu), speculative_tokens=2)) for gpu in (b200, l40s)]
    assert [found is not None for found in drafting] == [True, False]
    assert "flashinfer_workspace" not in graph_parts(LLAMA, load(gpu=b200), V0_29)
