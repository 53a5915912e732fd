"""Slots for LoRA adapters by hand; equality with vLLM's own classes is in test_lora_against_vllm.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.estimates.answer import EstimateError
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import Model, shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import find_gpu
from infercli.core.memory.lora import Adapters, slot_tensors, unknown_slots
from infercli.core.memory.weights import ADAPTERS, UNEXPLAINED, weights_by_role
from infercli.core.quantization.checkpoint import UNQUANTIZED, typical
from infercli.core.shapes import shapes
from tests.core.against_vllm.class_models import CLASSES

LLAMA = shapes()["meta-llama/Llama-3.1-8B"].arch


def slots(arch: ModelArch, layout: Layout, adapters: Adapters, stage: int = 0) -> int:
    return sum(copies * size for copies, size in slot_tensors(arch, layout, stage, adapters, 2))


def test_each_matrix_has_an_a_of_its_inputs_and_a_b_of_its_outputs_and_the_vocabulary_is_not_cut():
    adapters, two = Adapters(max_loras=4, max_lora_rank=64), Layout(tensor_parallel_size=2)
    attention = 3 * 4096 + (2048 + 512 + 512) + (2048 + 4096)
    feed_forward = 2 * 4096 + 2 * 7168 + (7168 + 4096)
    vocabulary = 2 * (128256 + 4096)  # of the embedding and of lm_head
    order = 128256 * 8  # in which two ranks gather it
    # 4 slots x rank 64 x 2 B = 512 B for each input and output; the allocator rounds none of it
    expected = 512 * (32 * (attention + feed_forward) + vocabulary) + order
    assert weights_by_role(LLAMA, UNQUANTIZED, two, 2, adapters=adapters)[ADAPTERS] == expected
    assert slots(LLAMA, two, adapters) == expected


def test_each_small_tensor_takes_whole_blocks_of_the_allocator():
    arch = replace(LLAMA, vocab=100, hidden=8)
    # rank 1: an A of 8 inputs is 16 B and takes 512
    sizes = [size for _, size in slot_tensors(arch, Layout(), 0, Adapters(1, 1), 2)]
    found = weights_by_role(arch, UNQUANTIZED, Layout(), 2, adapters=Adapters(1, 1))[ADAPTERS]
    assert min(sizes) == 16
    assert found % 512 == 0
    assert found > slots(arch, Layout(), Adapters(1, 1))


def test_matrices_that_a_checkpoint_has_merged_share_one_a():
    apart, merged = (architecture.parse(CLASSES[name]) for name in ("LlamaForCausalLM", "Phi3ForCausalLM"))
    assert apart.layers[0].feed_forward.intermediate == merged.layers[0].feed_forward.intermediate
    # 3 layers, two As less for qkv and one less for gate and up, of 1024 inputs, rank 8 and 2 B each
    one = Adapters(1, 8)
    assert slots(apart, Layout(), one) - slots(merged, Layout(), one) == 3 * 3 * 1024 * 8 * 2


def test_every_expert_has_a_pair_of_its_own_and_the_router_one():
    arch = shapes()["mistralai/Mixtral-8x7B-v0.1"].arch
    one = Adapters(1, 16)
    attention = 3 * 4096 + (4096 + 1024 + 1024) + (4096 + 4096)
    experts = 8 * (2 * (4096 + 14336) + (14336 + 4096))
    router, vocabulary, flags = 4096 + 8, 2 * (32000 + 4096), 2 * 4
    expected = 32 * (32 * (attention + experts + router) + vocabulary) + 32 * flags
    assert slots(arch, Layout(), one) == expected


def test_stages_share_the_layers_and_the_ends_of_the_vocabulary():
    adapters, half = Adapters(2, 16), Layout(pipeline_parallel_size=2)
    first, last = (slots(LLAMA, half, adapters, stage) for stage in (0, 1))
    assert first == last
    assert first + last == slots(LLAMA, Layout(), adapters)


def test_a_log_prints_the_slots_with_the_weights():
    # 0.22.1, Qwen3-8B in float16 on two T4, rank 16: 7.71 and 7.70 GiB, and 7.64 without adapters
    arch, two = shapes()["Qwen/Qwen3-8B"].arch, Layout(tensor_parallel_size=2)
    gpu = find_gpu("T4")
    plain, adapted = (
        sum(weights_by_role(arch, UNQUANTIZED, two, 2, gpu=gpu, engine_version="0.22.1", adapters=a).values()) / 2**30
        for a in (None, Adapters(1, 16))
    )
    assert plain == pytest.approx(7.64, abs=0.005)
    assert adapted == pytest.approx(7.705, abs=0.005)


def test_what_files_hold_beyond_their_config_does_not_make_slots_larger():
    more = replace(UNQUANTIZED, unexplained_fraction=0.1)
    parts = [weights_by_role(LLAMA, more, Layout(), 2, adapters=a) for a in (None, Adapters(8, 512))]
    assert parts[0][UNEXPLAINED] == parts[1][UNEXPLAINED]


def test_what_is_not_told_is_said():
    assert unknown_slots(LLAMA, typical("awq")) is None
    mixture = shapes()["Qwen/Qwen3-30B-A3B"].arch
    assert unknown_slots(mixture, UNQUANTIZED) is None
    assert "experts in fp8" in str(unknown_slots(mixture, typical("fp8")))
    assert "GPT2LMHeadModel" in str(unknown_slots(architecture.parse(CLASSES["GPT2LMHeadModel"]), UNQUANTIZED))


@pytest.mark.parametrize(
    ("arch", "asked", "where", "what"),
    [
        (LLAMA, {"max_lora_rank": 12}, "max_lora_rank", "12 is none that vLLM takes"),
        (replace(LLAMA, vocab=262_144), {}, "enable_lora", "up to a vocabulary of 258,048"),
        (replace(LLAMA, architecture="GPT2LMHeadModel"), {}, "enable_lora", "is not known here"),
    ],
)
def test_an_estimate_refuses_what_vllm_does_or_nobody_knows(arch, asked, where, what):
    request = EstimateRequest(model="it", gpu="H100", enable_lora=True, **asked)
    found = estimate(request, Model("it", arch, UNQUANTIZED))
    assert isinstance(found, EstimateError)
    assert [(p.where, what in p.what, bool(p.hint)) for p in found.problems] == [(where, True, True)]
    off = estimate(request.model_copy(update={"enable_lora": False}), Model("it", arch, UNQUANTIZED))
    assert not isinstance(off, EstimateError)


def test_graphs_with_adapters_are_estimated_beside_those_without():
    request = EstimateRequest(model="meta-llama/Llama-3.1-8B-Instruct", gpu="H100", max_model_len=8192)
    model = shipped_model("meta-llama/Llama-3.1-8B-Instruct")
    plain, adapted = (
        next(t for t in estimate(r, model).memory.terms if t.name == "cuda_graphs")
        for r in (request, request.model_copy(update={"enable_lora": True}))
    )
    assert plain.bytes < adapted.bytes <= 2 * plain.bytes
    assert adapted.high_bytes == pytest.approx(2 * plain.high_bytes, abs=1)


def test_versions_before_the_one_that_was_read_say_so():
    request = EstimateRequest(model="meta-llama/Llama-3.1-8B-Instruct", gpu="H100", engine_version="0.11.0")
    model = shipped_model("meta-llama/Llama-3.1-8B-Instruct")
    assert not any("adapters" in note for note in estimate(request, model).notes)
    asked = request.model_copy(update={"enable_lora": True})
    assert any("adapters: their slots are counted as vLLM 0.29" in note for note in estimate(asked, model).notes)
