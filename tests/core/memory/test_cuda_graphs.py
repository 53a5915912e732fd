"""What is captured in graphs, and from which version on it is inside the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture import as_pooling
from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.memory.batch import Draft
from infercli.core.memory.cuda_graphs import (
    cuda_graphs,
    graph_count,
    graph_parts,
    graphs_in_budget,
    graphs_kind,
    graphs_share,
    whole_graphs,
)
from infercli.core.memory.lora import Adapters
from infercli.core.quantization.checkpoint import UNQUANTIZED
from infercli.core.shapes import shapes
from infercli.core.units import GIB, MIB
from tests.core.memory.batches import L4, LLAMA, MI300X, V0_19, V0_25, V0_29, load


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

    whole = layers(load(seqs=512))
    assert layers(load(seqs=1024)) == whole  # no more are captured
    assert layers(load(seqs=512, stages=2)) == whole / 2
    drafting = Draft(shapes()["meta-llama/Llama-3.2-1B"].arch, UNQUANTIZED)
    assert layers(replace(load(seqs=512), draft=drafting)) == pytest.approx(whole * (32 + 16) / 32)


def test_graphs_in_pieces_and_of_whole_steps_count_as_vllm_logs_them():
    # logs say PIECEWISE=51, FULL=51 with 1,024 requests, 51 and 35 with 256, 35 and 19 with 128, 11 and 7 with 32
    counts = {seqs: graph_count(LLAMA, load(seqs=seqs), V0_25) for seqs in (1024, 256, 128, 32)}
    assert counts == {1024: 102, 256: 51 + 35, 128: 35 + 19, 32: 11 + 7}
    shares = {seqs: graphs_share(LLAMA, load(seqs=seqs), V0_25) for seqs in counts}
    assert shares == {seqs: count / 102 for seqs, count in counts.items()}
    assert graph_count(as_pooling(LLAMA), load(seqs=256), V0_25) == 51
    assert graph_count(LLAMA, load(seqs=256, eager=True), V0_25) == 0
    v0_10 = find_engine("0.10.2")  # which captures pieces only
    assert (graph_count(LLAMA, load(seqs=256), v0_10), graphs_share(LLAMA, load(seqs=1024), v0_10)) == (67, 1)


def test_a_step_with_drafts_is_not_captured_whole_by_flashinfers_own_kernels():
    # 0.20 on RTX 3090 says PIECEWISE=7 and no FULL with eight requests of a draft each
    def whole(name, version):
        at = replace(load(gpu=find_gpu(name), seqs=8), flashinfer=True, speculative_tokens=1)
        return whole_graphs(LLAMA, at, find_engine(version))

    assert [whole("RTX-3090", v) for v in ("0.20.0", "0.29.0")] == [0, 0]
    assert [whole("RTX-5090", v) for v in ("0.27.0", "0.28.0")] == [0, 5]  # 1 2 4 8 16; by XQA
    assert whole("B200", "0.20.0") == 5


def test_what_the_v2_runner_takes_of_24_and_36_layers_is_what_logs_print():
    # 0.40 and 0.37 GiB of Qwen2.5-0.5B on two GPUs, 0.60 and 0.56 of Qwen3-4B and -8B, with 256 requests (0.26, 0.27)
    def taken(layers):
        return graph_parts(LLAMA, load(gpu=L4, stages=1), V0_29)["layers"].typical / 32 * layers / GIB

    assert (taken(24), taken(36)) == pytest.approx((0.385, 0.58), rel=0.05)


def test_two_hopper_ranks_share_what_one_captures_for_itself():
    # 0.19: 0.15 GiB less with two H100, 0.24 with four
    any_capture = {tp: graph_parts(LLAMA, load(tp), V0_19)["any_capture"].typical / GIB for tp in (1, 2, 4)}
    assert [any_capture[1] - any_capture[tp] for tp in (2, 4)] == pytest.approx([0.15, 0.24], abs=0.01)


ADAPTED = replace(load(), adapters=Adapters(max_loras=1, max_lora_rank=16))


def test_graphs_are_captured_with_and_without_adapters():
    plain, adapted = (graph_parts(LLAMA, at, V0_29) for at in (load(), ADAPTED))
    for part, band in plain.items():
        assert adapted[part].high == 2 * band.high
    assert adapted["layers"].typical == 2 * plain["layers"].typical
    assert adapted["any_capture"].typical == plain["any_capture"].typical


@pytest.mark.parametrize(("version", "times"), [("0.21.0", 2), ("0.11.1", 2), ("0.11.0", 1)])
def test_there_are_as_many_with_adapters_as_logs_say(version, times):
    # 0.21 with 256 requests: PIECEWISE=102, FULL=70, where it says 51 and 35 without adapters
    counts = [graph_count(LLAMA, replace(at, max_num_seqs=256), find_engine(version)) for at in (load(), ADAPTED)]
    assert counts[1] == times * counts[0]
    assert version != "0.21.0" or counts[1] == 102 + 70


def test_flashinfer_takes_its_workspace_with_the_first_graph_of_a_whole_step():
    # 0.22 estimated 0.40 and 0.41 GiB with three and five sizes, and 0.08 with ten where a model pools
    b200, l40s = find_gpu("B200"), find_gpu("L40S")
    assert workspace(load(gpu=b200)).typical == 394 * MIB
    assert workspace(load(gpu=b200), "0.19.0") is None
    assert workspace(load(gpu=b200), arch=as_pooling(LLAMA)) is None
    assert workspace(load(gpu=b200, eager=True)) is None
    drafting = [workspace(replace(load(gpu=gpu), speculative_tokens=2)) for gpu in (b200, l40s)]
    assert [found is not None for found in drafting] == [True, False]
    assert "flashinfer_workspace" not in graph_parts(LLAMA, load(gpu=b200), V0_29)


def test_flashinfers_workspace_grows_with_a_step_from_026_on():
    l40s = find_gpu("L40S")
    sized = {v: workspace(load(gpu=l40s, tokens=8192), v).typical / MIB for v in ("0.25.0", "0.26.0", "0.29.0")}
    assert sized == {"0.25.0": 394, "0.26.0": 512, "0.29.0": 512}  # 8,192 x 32 heads x 128 x 16 bytes
    assert workspace(load(2, gpu=l40s, tokens=8192), "0.26.0").typical == 394 * MIB
    # vllm-project/vllm#52872: an RTX 5090 took 0.89 GiB with 8,192 tokens a step and 0.52 with 4,096 and 2,048
    qwen, rtx = shapes()["Qwen/Qwen3.5-27B"].arch, find_gpu("RTX-5090")  # 24 heads of 256, as Qwen3.8-27B
    taken = [workspace(load(gpu=rtx, seqs=4, tokens=t), "0.27.0", qwen).typical / GIB for t in (8192, 4096, 2048)]
    assert [taken[0] - taken[1], taken[0] - taken[2]] == pytest.approx([0.37, 0.37], abs=0.01)


def test_xqa_and_the_prompts_of_the_v2_runners_pieces_each_have_a_workspace():
    rtx, b200 = find_gpu("RTX-5090"), find_gpu("B200")
    wide = {v: workspace(load(gpu=rtx, tokens=8192), v).typical / MIB for v in ("0.27.0", "0.28.0", "0.29.0")}
    assert wide == {"0.27.0": 512, "0.28.0": 394, "0.29.0": 512 + 394}
    # no piece has more tokens than there are requests, so that it holds no prompt
    assert workspace(load(gpu=rtx, seqs=512, tokens=8192), "0.29.0").typical == 394 * MIB
    assert workspace(load(gpu=b200, tokens=8192), "0.29.0").typical == 394 * MIB  # TensorRT-LLM's kernels read prompts


def workspace(at, version="0.22.0", arch=LLAMA):
    return graph_parts(arch, replace(at, flashinfer=True), find_engine(version)).get("flashinfer_workspace")
