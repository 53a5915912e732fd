from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import (
    Attention,
    CompressedAttention,
    Dense,
    Experts,
    GatedDelta,
    LatentAttention,
    LayerGroup,
    Layout,
    ModelArch,
    StateSpace,
)
from infercli.core.estimates.tensor_parallel import context_parallel_problems, layout_problems, problems
from infercli.core.gpus import find_gpu
from infercli.core.quantization.checkpoint import UNQUANTIZED, Quantization, detect, typical
from infercli.core.shapes import shapes

FP8_BLOCK = Quantization(method="fp8", bits=8, block=(128, 128))


DEEPSEEK = LatentAttention(heads=128, q_lora_rank=1536, kv_lora_rank=512, rope_dim=64, nope_dim=128, v_head_dim=128)


def arch(model_id: str):
    return shapes()[model_id].arch


def of(feed_forward=None, mixer=None, hidden=4096, layers=4) -> ModelArch:
    group = LayerGroup(indices=tuple(range(layers)), mixer=mixer, feed_forward=feed_forward)
    return ModelArch(
        architecture="Any", hidden=hidden, vocab=129280, tied=False, dtype="bfloat16", max_model_len=4096,
        rope_positions=0, rope_width=0, layers=(group,),
    )  # fmt: skip


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
    four = of(mixer=Attention(heads=12, kv_heads=4, head_dim=128, v_head_dim=128))
    assert "KV heads (4) and 6 do not divide one another" in problems(four, UNQUANTIZED, 6)


def test_decode_context_parallelism_shares_out_kv_heads_that_lie_on_as_many_ranks():
    # vLLM 0.29 config/model.py: 8 KV heads on 16 ranks lie on two each, and 4 or 6 query heads go with each
    four, six = (of(mixer=Attention(heads=n, kv_heads=8, head_dim=128, v_head_dim=128)) for n in (32, 48))
    assert [*context_parallel_problems(four, 8, 1)] == [*context_parallel_problems(four, 16, 2)] == []
    (found,) = context_parallel_problems(four, 8, 2)
    assert found == "each KV head must lie on 2 ranks at least, and 8 KV heads on 8 ranks lie on 1"
    (found,) = context_parallel_problems(six, 32, 4)
    assert found == "6 query heads per KV head are not divisible by 4"
    assert [*context_parallel_problems(of(mixer=DEEPSEEK), 8, 8)] == []  # one latent vector, whole on every rank
    (found,) = context_parallel_problems(of(mixer=DEEPSEEK), 8, 3)
    assert found == "3 does not divide tensor_parallel_size (8), whose ranks it shares out"


def test_a_group_of_weights_must_not_lie_across_two_gpus():
    # 29568 = 231 x 128: whole on one GPU, 115.5 groups each on two. Qwen pads its own AWQ checkpoint for this.
    awq = typical("awq")
    assert problems(arch("Qwen/Qwen2.5-72B-Instruct"), awq, 1) == ()
    assert problems(arch("Qwen/Qwen2.5-72B-Instruct"), awq, 2) == (
        "down: 14784 inputs per GPU are not a multiple of the group size 128",
    )
    assert problems(arch("Qwen/Qwen2.5-72B-Instruct"), UNQUANTIZED, 2) == ()


def test_groups_of_experts_are_cut_down_to_32_except_by_compressed_tensors():
    # 768 / 8 = 96 = 3 x 32 inputs of the down projection (quantization/moe_wna16.py create_weights)
    assert problems(arch("Qwen/Qwen3-30B-A3B"), typical("awq"), 8) == ()
    assert problems(arch("Qwen/Qwen3-30B-A3B"), typical("w4a16"), 2) == ()
    assert problems(arch("Qwen/Qwen3-30B-A3B"), typical("w4a16"), 4) == (
        "expert down: 192 inputs per GPU are not a multiple of the group size 128",
    )


def test_fp8_blocks_must_be_whole_on_every_gpu():
    # 27648 / 8 = 3456 = 27 x 128; 18944 / 4 = 4736 = 37 x 128; 18944 / 8 = 2368 = 18.5 x 128
    assert problems(arch("Qwen/Qwen2.5-32B-Instruct"), FP8_BLOCK, 8) == ()
    assert problems(arch("Qwen/Qwen2.5-7B-Instruct"), FP8_BLOCK, 4) == ()
    assert problems(arch("Qwen/Qwen3-32B"), FP8_BLOCK, 8) == ()
    found = problems(replace(arch("Qwen/Qwen2.5-14B-Instruct"), hidden=5120), FP8_BLOCK, 8)
    assert found == (
        "gate-up: 1728 outputs per GPU are not a multiple of the FP8 block 128",
        "down: 1728 inputs per GPU are not a multiple of the FP8 block 128",
    )  # 13824 / 8 = 1728 = 13.5 x 128


def test_on_one_gpu_only_what_is_merged_must_be_of_whole_blocks():
    # fp8_utils.py validate_fp8_block_shape: the last part may be ragged
    assert problems(of(Dense(intermediate=1000, gated=False)), FP8_BLOCK, 1) == ()
    assert problems(of(Dense(intermediate=1000)), FP8_BLOCK, 1) == (
        "gate-up: 1000 outputs per GPU are not a multiple of the FP8 block 128",
    )
    assert problems(of(mixer=DEEPSEEK._replace(q_lora_rank=1500)), FP8_BLOCK, 1) == (
        "latent down: 1500 outputs per GPU are not a multiple of the FP8 block 128",
    )


def test_the_ragged_keys_of_mimo_v2_run_where_each_rank_has_one_kv_head():
    # 192 = 1.5 x 128. 4 KV heads, and 8 in windows: vllm-project/vllm#30836 ran it on four. 8 everywhere:
    # vllm-project/recipes runs it on eight.
    flash, pro = (shapes()[f"XiaomiMiMo/MiMo-V2{name}"] for name in ("-Flash", ".5-Pro"))
    assert problems(flash.arch, flash.quantization, 4) == problems(pro.arch, pro.quantization, 8) == ()
    assert problems(flash.arch, flash.quantization, 8) == (
        "qkv: 192 outputs per GPU are not a multiple of the FP8 block 128",
    )


def test_blocks_of_experts_are_cut_finer_since_029_and_were_refused_before():
    # 1536 / 8 = 192: gcd(128, 192, 4096) = 64. vLLM before said "The output_size of gate's and up's weight = 192 is
    # not divisible by weight quantization block_n = 128" (vllm-project/vllm#48173).
    eight = Layout(tensor_parallel_size=8)
    assert layout_problems(arch("Qwen/Qwen3-235B-A22B"), FP8_BLOCK, eight) == ()
    assert layout_problems(arch("Qwen/Qwen3-235B-A22B"), FP8_BLOCK, eight, "0.29.0") == ()
    assert layout_problems(arch("Qwen/Qwen3-235B-A22B"), FP8_BLOCK, eight, "0.10.0") == (
        "experts: a width of 192 per GPU is not a multiple of the FP8 block 128",
    )
    # Experts that are dealt out are not cut: what a log of 0.10.0 ran.
    dealt = eight._replace(expert_parallel=True)
    assert layout_problems(arch("Qwen/Qwen3-235B-A22B"), FP8_BLOCK, dealt, "0.10.0") == ()
    # 320 / 4 = 80: gcd(128, 80) = 16 is too fine (vllm-project/vllm#54178)
    small = of(Experts(experts=64, experts_per_token=8, intermediate=320))
    assert layout_problems(small, FP8_BLOCK, Layout(tensor_parallel_size=4)) != ()


@pytest.mark.parametrize(
    ("gpu", "version", "refused"),
    [
        ("RTX-5090", "0.19.0", (2, 4)),  # vllm-project/vllm#39595
        ("RTX-5090", "0.22.0", ()),  # by Marlin
        ("RTX-5090", "0.30.0", (2, 4)),
        ("B200", "0.25.0", (2, 4)),  # vllm-project/vllm#46879: TRT-LLM's `assert M % 128 == 0`
        ("B200", "0.26.0", ()),  # vllm-project/vllm#55649 started it on two
        ("H100", "0.30.0", ()),  # by Marlin
    ],
)
def test_merged_nvfp4_experts_must_fill_tiles_that_nothing_pads(gpu, version, refused):
    # 704 / 2 = 352, twice that 704 = 5.5 x 128; 352 = 2.75 x 128; 176 = 1.375 x 128. 1,408 on one GPU is 11 x 128.
    gemma = shapes()["nvidia/Gemma-4-26B-A4B-NVFP4"]
    for ranks in (1, 2, 4):
        said = layout_problems(
            gemma.arch, gemma.quantization, Layout(tensor_parallel_size=ranks), version, find_gpu(gpu)
        )
        width = 704 // ranks
        text = f"experts: twice a width of {width} per GPU is not a multiple of NVFP4's 128 rows"
        assert said == ((text,) if ranks in refused else ())
        # Whole experts lie on every rank, and none is cut (vllm-project/vllm#42516: without EP).
        dealt = Layout(tensor_parallel_size=ranks, expert_parallel=True)
        assert layout_problems(gemma.arch, gemma.quantization, dealt, version, find_gpu(gpu)) == ()


def test_single_nvfp4_matrices_of_experts_are_padded_to_tiles():
    # Nemotron 3 Nano, 1856 / 2 = 928 = 7.25 x 128, started on an RTX 5080 and a 5070 Ti (vllm-project/vllm#33333)
    pair = Layout(tensor_parallel_size=2)
    for gated in (False, True):
        arch = of(Experts(experts=128, experts_per_token=6, intermediate=1856, gated=gated), hidden=2688)
        assert layout_problems(arch, typical("nvfp4"), pair, "0.13.0", find_gpu("RTX-5090")) == ()
        assert bool(layout_problems(arch, typical("nvfp4"), pair, "0.14.0", find_gpu("RTX-5090"))) is gated


def test_marlin_did_not_pad_where_it_was_alone():
    # vllm-project/llm-compressor#57: 0.5.3 on four GPUs, "7392 is not divisible by min_thread_k = 128"
    def said(method: str, engine_version: str, ranks: int = 4) -> tuple[str, ...]:
        layout = Layout(tensor_parallel_size=ranks)
        stored = replace(typical(method), group_size=None)
        return layout_problems(arch("Qwen/Qwen2-72B-Instruct"), stored, layout, engine_version)

    assert [p.partition(" is")[0] for p in said("w8a16", "0.5.3")] == ["down: 8192 x 7392 per GPU"]
    assert not said("w8a16", "0.5.3", ranks=1)
    assert not said("w8a16", "0.8.5")
    assert not said("int8", "0.5.3")


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


# Every kind of layer. Sources: vLLM 0.29 by file.


def test_latent_attention_splits_by_heads_only():
    # No KV heads: the latent vectors are whole on every rank.
    assert problems(of(mixer=DEEPSEEK, hidden=7168), UNQUANTIZED, 16) == ()
    assert problems(of(mixer=DEEPSEEK, hidden=7168), UNQUANTIZED, 3) == (
        "attention heads (128) is not divisible by 3",
        "padded vocabulary (129280) is not divisible by 3",
    )
    assert problems(of(mixer=DEEPSEEK, hidden=7168), FP8_BLOCK, 16) == ()
    # 192 outputs per head of the queries: 128 heads over 128 ranks are not whole blocks
    assert "query up: 192 outputs per GPU are not a multiple of the FP8 block 128" in problems(
        replace(of(mixer=DEEPSEEK, hidden=7168), vocab=128 * 64), FP8_BLOCK, 128
    )


def test_state_space_layers_split_by_heads_and_groups():
    mamba = StateSpace(version=2, heads=64, head_dim=64, groups=8, state=128, conv_kernel=4)
    assert problems(of(mixer=mamba), UNQUANTIZED, 8) == ()
    assert problems(of(mixer=mamba), UNQUANTIZED, 16) == (
        "state-space groups (8) are not divisible by 16, and only one group can be repeated",
    )
    assert problems(of(mixer=mamba._replace(groups=1)), UNQUANTIZED, 16) == ()
    assert "state-space heads (64) is not divisible by 5" in problems(of(mixer=mamba), UNQUANTIZED, 5)
    first = StateSpace(version=1, heads=1, head_dim=8192, groups=1, state=16, conv_kernel=4, time_step_rank=256)
    assert problems(of(mixer=first), UNQUANTIZED, 8) == ()
    assert "state-space inner width (8192) is not divisible by 5" in problems(of(mixer=first), UNQUANTIZED, 5)


def test_linear_attention_splits_by_key_and_value_heads():
    delta = GatedDelta(variant="gdn", key_heads=16, value_heads=32, key_dim=128, value_dim=128, conv_kernel=4)
    assert problems(of(mixer=delta), UNQUANTIZED, 16) == ()
    assert problems(of(mixer=delta), UNQUANTIZED, 32) == ("linear-attention key heads (16) is not divisible by 32",)
    assert problems(of(mixer=delta), FP8_BLOCK, 16) == ()


def test_deepseek_v4_splits_by_heads_and_output_groups():
    compressed = CompressedAttention(
        heads=128, head_dim=512, rope_dim=64, q_lora_rank=1536, o_groups=16, o_lora_rank=1024, window=128,
        compress_ratio=4, indexer=None,
    )  # fmt: skip
    assert problems(of(mixer=compressed, hidden=7168), FP8_BLOCK, 16) == ()
    assert "output groups (16) is not divisible by 32" in problems(of(mixer=compressed), UNQUANTIZED, 32)


def test_experts_are_cut_by_all_ranks_or_dealt_out():
    experts = of(Experts(experts=60, experts_per_token=4, intermediate=1408, shared_intermediate=5632))
    assert problems(experts, UNQUANTIZED, 4) == ()
    by_data = Layout(tensor_parallel_size=4, data_parallel_size=3)
    assert layout_problems(experts, UNQUANTIZED, by_data) == ("expert width (1408) is not divisible by 12",)
    assert layout_problems(experts, UNQUANTIZED, by_data._replace(expert_parallel=True)) == ()
    odd = of(Experts(experts=60, experts_per_token=4, intermediate=1408, shared_intermediate=5636))
    assert problems(odd, UNQUANTIZED, 8) == ("shared experts' width (5636) is not divisible by 8",)


def test_expert_and_pipeline_parallelism_need_something_to_deal_out():
    dense = of(Dense(intermediate=1024))
    assert layout_problems(dense, UNQUANTIZED, Layout(expert_parallel=True)) == (
        "expert parallelism needs experts, and this model has none",
    )
    assert layout_problems(dense, UNQUANTIZED, Layout(pipeline_parallel_size=4)) == ()
    assert layout_problems(dense, UNQUANTIZED, Layout(pipeline_parallel_size=5)) == (
        "4 layers do not fill 5 pipeline stages",
    )


def test_only_what_the_checkpoint_quantizes_must_fit_its_kernel():
    width = of(Dense(intermediate=1024 + 8), Attention(heads=32, kv_heads=8, head_dim=128, v_head_dim=128))
    nvfp4 = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}
    assert problems(width, detect(nvfp4), 1) == ("down: 1032 inputs per GPU are not a multiple of the group size 16",)
    assert problems(width, detect({**nvfp4, "ignore": ["*.mlp*"]}), 1) == ()


def test_mxfp4_experts_are_padded_to_any_split():
    oss = of(Experts(experts=32, experts_per_token=4, intermediate=2880, bias=True), hidden=2880)
    assert all(problems(oss, typical("mxfp4"), tp) == () for tp in (1, 2, 4, 8))


def test_a_class_without_pipeline_parallelism_runs_in_one_stage_only():
    # vLLM 0.29 models/roberta.py: no SupportsPP
    arch = shapes()["BAAI/bge-m3"].arch
    assert layout_problems(arch, UNQUANTIZED, Layout()) == ()
    stages = layout_problems(arch, UNQUANTIZED, Layout(pipeline_parallel_size=2))
    assert stages == ("vLLM has no pipeline parallelism for XLMRobertaModel",)
