from __future__ import annotations

from dataclasses import replace

from infercli.core.checkpoint import UNQUANTIZED, Quantization, typical
from infercli.core.shapes import shapes
from infercli.core.tensor_parallel import problems

FP8_BLOCK = Quantization(method="fp8", bits=8, block=(128, 128))


def arch(model_id: str):
    return shapes()[model_id].arch


def test_heads_width_and_vocabulary_must_divide():
    # 40 heads and 8 KV heads over 3 GPUs; 17408 = 2^10 x 17; 151936 = 2^7 x 1187
    assert problems(arch("Qwen/Qwen3-14B"), UNQUANTIZED, 3) == (
        "attention heads (40) is not divisible by 3",
        "feed-forward width (17408) is not divisible by 3",
        "padded vocabulary (151936) is not divisible by 3",
        "KV heads (8) and 3 do not divide one another",
    )
    # What vLLM 0.19 refused on five GPUs although the 40 heads divide.
    assert "padded vocabulary (151936) is not divisible by 5" in problems(arch("Qwen/Qwen3-14B"), UNQUANTIZED, 5)
    assert problems(arch("Qwen/Qwen3-14B"), UNQUANTIZED, 8) == ()


def test_kv_heads_may_be_replicated_but_only_evenly():
    assert problems(arch("Qwen/Qwen2.5-3B-Instruct"), UNQUANTIZED, 8) == ()  # 2 KV heads on 8 GPUs
    assert problems(arch("Qwen/Qwen2.5-1.5B-Instruct"), UNQUANTIZED, 4) == ()


def test_a_group_of_weights_must_not_lie_across_two_gpus():
    # 29568 = 231 x 128: whole on one GPU, 115.5 groups each on two. Qwen pads its own AWQ checkpoint for this.
    awq = typical("awq")
    assert problems(arch("Qwen/Qwen2.5-72B-Instruct"), awq, 1) == ()
    assert problems(arch("Qwen/Qwen2.5-72B-Instruct"), awq, 2) == (
        "down: 14784 inputs per GPU are not a multiple of the group size 128",
    )
    assert problems(arch("Qwen/Qwen2.5-72B-Instruct"), UNQUANTIZED, 2) == ()


def test_the_groups_of_small_experts_stop_a_split():
    # 768 / 8 = 96 inputs of the down projection
    assert problems(arch("Qwen/Qwen3-30B-A3B"), typical("awq"), 4) != ()
    assert problems(arch("Qwen/Qwen3-30B-A3B"), typical("awq"), 2) == ()


def test_fp8_blocks_must_be_whole_on_every_gpu():
    # 27648 / 8 = 3456 = 27 x 128; 18944 / 4 = 4736 = 37 x 128; 18944 / 8 = 2368 = 18.5 x 128
    assert problems(arch("Qwen/Qwen2.5-32B-Instruct"), FP8_BLOCK, 8) == ()
    assert problems(arch("Qwen/Qwen2.5-7B-Instruct"), FP8_BLOCK, 4) == ()
    assert "down: 96 inputs per GPU are not a multiple of the FP8 block 128" in problems(
        arch("Qwen/Qwen3-30B-A3B"), FP8_BLOCK, 8
    )


def test_act_order_needs_aligned_shapes_that_plain_gptq_does_not():
    # 896 x 4864 at TP 2: 7 heads x 64 = 448 inputs of the output projection, not a multiple of 128
    plain = replace(typical("gptq"), group_size=64)
    assert problems(arch("Qwen/Qwen2.5-0.5B-Instruct"), plain, 2) == ()
    ordered = replace(plain, act_order=True)
    assert any("act-order" in p for p in problems(arch("Qwen/Qwen2.5-0.5B-Instruct"), ordered, 2))


def test_a_group_size_without_a_kernel_is_named():
    odd = replace(typical("awq"), group_size=48)
    assert problems(arch("Qwen/Qwen3-8B"), odd, 1) == (
        "group size 48 has no kernel: 32, 64, 128 or one group per output do",
    )
