"""Bytes by hand, and the laws of weights; what real logs print is compared in test_sizing_against_logs.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.core.architecture.arch import Attention, Experts, LayerGroup, Layout, ModelArch, RankTensor
from infercli.core.estimates.tensor_parallel import problems
from infercli.core.gpus import find_gpu
from infercli.core.memory import weights
from infercli.core.memory.weights import (
    Evidence,
    allocated_bytes,
    as_the_files_say,
    file_bytes,
    loaded_file_bytes,
    stored_bytes,
    weights_by_role,
    weights_bytes,
)  # fmt: skip
from infercli.core.quantization.checkpoint import UNQUANTIZED, Quantization, detect, typical
from infercli.core.quantization.methods import METHODS
from infercli.core.quantization.schemes import Scheme
from infercli.core.shapes import find_shape, shapes
from infercli.core.units import GIB, MIB
from tests.core.configs import counted_ids

LLAMA = shapes()["meta-llama/Llama-3.1-8B"].arch
ARCHS = list({shapes()[i].arch: None for i in counted_ids()})
archs = st.sampled_from(ARCHS)
SIZED = [typical(m) for m in METHODS if m != "mixed"]
methods = st.sampled_from(SIZED)
ranks = st.sampled_from([1, 2, 4, 8])
BLOCKS = Quantization(method="fp8", bits=8, block=(128, 128))


def tensor(name: str, outputs: int, inputs: int, *modules: str, copies: int = 4, **more) -> RankTensor:
    """In the layers 0 to 3."""
    return RankTensor(name, more.get("role", "mlp"), modules, (0, 1, 2, 3), copies, outputs, inputs, linear=True)


DOWN = tensor("down", 4096, 14336, "mlp.down_proj")
ELEMENTS, GROUPS = 4096 * 14336, 4096 * 112


@pytest.mark.parametrize(
    ("size", "counted"),
    [
        (1, 512),
        (5 * MIB, 5 * MIB),
        (10 * MIB, 10 * MIB),
        (31 * MIB + MIB // 2, 32 * MIB),  # half a MiB of the last step stays with the tensor
        (24 * MIB + MIB // 2, 24 * MIB + MIB // 2),  # one and a half are split off
        (259 * MIB, 260 * MIB),
    ],
)
def test_a_tensor_takes_what_pytorchs_allocator_counts(size, counted):
    assert allocated_bytes(size) == counted


def tensor_bytes(tensor, quantization, element_bytes, gpu=None):
    """Of all copies of a tensor on a rank, each layer stored as the checkpoint says."""
    stored = weights._schemes(tensor, quantization)
    return sum(copies * weights._copy_bytes(tensor, scheme, element_bytes, gpu) for scheme, copies in stored)


@pytest.mark.parametrize(
    ("quantization", "each"),
    [
        (UNQUANTIZED, ELEMENTS * 2),
        (typical("awq"), ELEMENTS // 2 + GROUPS * 2 + GROUPS // 2),
        (typical("gptq"), ELEMENTS // 2 + GROUPS * 2),
        (typical("w8a16"), ELEMENTS + 4096 * 4),
        (typical("fp8"), ELEMENTS + 4096 * 4),
        (BLOCKS, ELEMENTS + 32 * 112 * 4 // 512 * 512),
        # 16 weights, 8 bytes of them and one byte of scale; 32 of MXFP4 and MXFP8
        (typical("nvfp4"), ELEMENTS // 2 + ELEMENTS // 16),
        (typical("mxfp8"), ELEMENTS + ELEMENTS // 32),
        (typical("mxfp4"), ELEMENTS * 2),  # not an expert
        # 64 weights, 32 bytes of them and four of scale
        (typical("bitsandbytes"), ELEMENTS // 2 + ELEMENTS // 16),
    ],
    ids=lambda v: v.method if isinstance(v, Quantization) else "",
)
def test_packed_weights_carry_their_scales_and_zero_points(quantization, each):
    assert tensor_bytes(DOWN, quantization, 2) == 4 * each


def test_marlin_spreads_block_scales_over_every_output():
    # An A100 has no FP8, an H100 has.
    assert tensor_bytes(DOWN, BLOCKS, 2, gpu=find_gpu("A100-80-SXM")) == 4 * (ELEMENTS + GROUPS * 2)
    assert tensor_bytes(DOWN, BLOCKS, 2, gpu=find_gpu("H100")) == tensor_bytes(DOWN, BLOCKS, 2)


def test_marlin_pads_what_does_not_fill_its_tiles():
    # 4864 x 1000: 64 x 128 holds 4864 x 1024, 128 x 64 as well, and group 128 asks for no more; Machete on 9.0 does not
    odd = tensor("down", 4864, 1000, "mlp.down_proj", copies=4)
    padded, plain = 4864 * 1024, 4864 * 1000
    assert tensor_bytes(odd, typical("nvfp4a16"), 2, gpu=find_gpu("L4")) == 4 * (padded // 2 + padded // 16)
    groups = 4864 * 8
    assert tensor_bytes(odd, typical("w4a16"), 2, gpu=find_gpu("L4")) == 4 * (padded // 2 + groups * 2)
    assert tensor_bytes(odd, typical("w4a16"), 2, gpu=find_gpu("H100")) == 4 * (plain // 2 + groups * 2)
    # 96 x 192: 128 x 192 is smaller than 128 x 256
    small = tensor("down", 96, 192, "mlp.down_proj", copies=4)
    assert tensor_bytes(small, typical("fp8"), 2, gpu=find_gpu("A100-80-SXM")) == 4 * (128 * 192 + 512)


def test_act_order_is_not_padded():
    odd = tensor("down", 4864, 1000, "mlp.down_proj", copies=4)
    ordered = replace(typical("gptq"), act_order=True)
    assert tensor_bytes(odd, ordered, 2, gpu=find_gpu("L4")) == tensor_bytes(odd, ordered, 2)


def test_machete_keeps_the_zero_points_of_gptq_where_they_were_loaded():
    plain = ELEMENTS // 2 + GROUPS * 2
    assert tensor_bytes(DOWN, typical("gptq"), 2, gpu=find_gpu("L4")) == 4 * plain
    assert tensor_bytes(DOWN, typical("gptq"), 2, gpu=find_gpu("H100")) == 4 * (plain + GROUPS // 2)


def test_bitsandbytes_keeps_a_byte_for_each_scale_until_vllm_makes_them_fp32():
    # Llama 3.1 8B: 218,103,808 weights in the linear tensors of a layer (4096 x (6144 + 4096 + 28672) + 14336 x 4096),
    # one scale for 64 of them. A byte and a 64th of a byte each before 0.9.1, four bytes after; 0.02 MiB of rounding.
    scales = 32 * 218_103_808 // 64
    old, new = (
        weights_bytes(LLAMA, typical("bitsandbytes"), Layout(), 2, engine_version=v) for v in ("0.9.0", "0.9.1")
    )
    assert new - old == pytest.approx(scales * (4 - 1 - 4 / 256), rel=0.002)
    assert weights_bytes(LLAMA, typical("bitsandbytes"), Layout(), 2) == new


def test_embeddings_norms_and_encoders_keep_the_models_dtype():
    for role in ("embedding", "norm", "router"):
        plain = RankTensor(role, role, (), (), 1, 4096, 14336)
        assert tensor_bytes(plain, typical("awq"), 2) == ELEMENTS * 2
    encoder = RankTensor("vision", "encoder", ("visual.blocks.mlp.fc1",), (), 1, 4096, 14336, linear=True)
    assert tensor_bytes(encoder, typical("awq"), 2) == ELEMENTS * 2


def test_each_layer_is_stored_as_the_checkpoint_says_of_it():
    ignore = ["lm_head", "model.layers.0.mlp.down_proj", "model.layers.3*"]
    config = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ignore}
    packed = ELEMENTS // 2 + ELEMENTS // 16
    assert tensor_bytes(DOWN, detect(config), 2) == 2 * packed + 2 * ELEMENTS * 2


def test_latent_attention_keeps_a_16_bit_copy_of_the_matrix_that_it_multiplies_with():
    up = tensor("kv up", 32768, 512, "self_attn.kv_b_proj", role="attention")
    elements = 32768 * 512
    scales = allocated_bytes(256 * 4 * 4)
    assert tensor_bytes(up, BLOCKS, 2) == 4 * (elements + scales + elements * 2)
    assert tensor_bytes(up, UNQUANTIZED, 2) == 4 * elements * 2  # a view of what is there


def gpt_oss(layers: int = 24, experts: int = 32) -> ModelArch:
    attention = Attention(heads=64, kv_heads=8, head_dim=64, v_head_dim=64)
    group = LayerGroup(
        indices=tuple(range(layers)),
        mixer=attention,
        feed_forward=Experts(experts=experts, experts_per_token=4, intermediate=2880, bias=True),
    )
    return ModelArch(
        architecture="GptOssForCausalLM", hidden=2880, vocab=201088, tied=False, dtype="bfloat16",
        max_model_len=131072, rope_positions=131072, rope_width=64, layers=(group,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gpu", "engine", "hidden", "width", "scale_rows"),
    [
        ("H100", None, 2880, 2880, 5888 + 3072),  # Triton: to 64, and the scales' rows to 256
        ("H100", "0.14.1", 2880, 2880, 5888 + 3072 + 5760 + 2880),  # which were kept as loaded besides, before 0.24
        ("H100", "0.24.0", 2880, 2880, 5888 + 3072),
        ("A100-80-SXM", None, 3072, 2944, 5888 + 3072),  # Marlin: to 256 and 128
        ("B200", None, 3072, 2944, 5888 + 3072),  # TRT-LLM: the same
        ("MI300X", None, 3072, 3072, 6144 + 3072),  # AITER: to 256
    ],
)
def test_mxfp4_experts_are_padded_as_their_kernel_needs(gpu, engine, hidden, width, scale_rows):
    # vLLM 0.29 mxfp4_round_up_hidden_size_and_intermediate_size; 16 bytes hold 32 weights, one byte their scale
    arch = gpt_oss()
    bare = replace(arch, layers=(arch.layers[0]._replace(feed_forward=None),))
    whole = weights_bytes(arch, typical("mxfp4"), Layout(), 2, gpu=find_gpu(gpu), engine_version=engine)
    experts = 24 * 32 * (3 * hidden * width // 2 + scale_rows * width // 32)
    router_and_biases = 24 * 2 * (32 * 2880 + 32 * 3 * 2880 + 32)
    got = whole - weights_bytes(bare, UNQUANTIZED, Layout(), 2) - router_and_biases
    # gate-up's scales have a column per hidden weight, down's one per width: equal here but for padding
    assert got == pytest.approx(experts, rel=0.006)


@pytest.mark.parametrize(
    ("gpu", "engine"), [("H100", "0.22.0"), ("RTX-PRO-6000", "0.23.0"), ("RTX-PRO-6000", "0.25.0"), ("B200", None)]
)
def test_a_scale_of_deepseek_v4_experts_is_a_byte_in_marlin_deepgemm_and_trtllm(gpu, engine):
    # vLLM 0.23 to 0.33 fused_moe/oracle/mxfp4.py select_deepseek_v4_mxfp4_moe_backend: 16 bytes hold 32 weights
    arch = replace(gpt_oss(), architecture="DeepseekV4ForCausalLM")
    hidden, width = 3072, 3072  # a multiple of what any kernel pads to
    routed = arch.layers[0].feed_forward._replace(intermediate=width, bias=False)
    arch = replace(arch, hidden=hidden, layers=(arch.layers[0]._replace(feed_forward=routed),))
    found = weights_by_role(arch, typical("mxfp4"), Layout(), 2, gpu=find_gpu(gpu), engine_version=engine)["experts"]
    weights = len(arch.layers[0].indices) * routed.experts * 3 * hidden * width
    assert found == pytest.approx(weights * (16 + 1) / 32, rel=0.001)


def test_mxfp4_experts_of_draft_layers_are_stored_as_those_of_the_others():
    # DeepSeek-V4, drafting: vLLM 0.29 models/deepseek_v4/nvidia/mtp.py takes the decoder's layer, behind its last
    arch = replace(gpt_oss(), architecture="DeepseekV4ForCausalLM")
    arch = replace(arch, draft_layers=(arch.layers[0]._replace(indices=(24,)),))
    alone, drafting = (
        weights_by_role(arch, typical("mxfp4"), Layout(), 2, gpu=find_gpu("B200"), drafts=d)["experts"]
        for d in (False, True)
    )
    assert drafting == alone * 25 // 24


@pytest.mark.parametrize(
    ("gpu", "engine", "gated", "hidden", "width"),
    [
        ("RTX-5090", "0.13.0", False, 2688, 1024),  # scales in tiles of 128 rows
        ("RTX-5090", "0.29.0", True, 2688, 928),  # two matrices in one: not padded
        ("B200", "0.29.0", False, 2816, 1024),  # TRT-LLM: the hidden width to 256 as well
        ("B200", "0.25.0", True, 2816, 928),
        ("B200", "0.26.0", True, 2816, 960),
        ("H100", "0.23.0", False, 2688, 928),
        ("H100", "0.24.0", False, 2688, 960),  # Marlin: 64, for 2688 is 21 x 128
    ],
)
def test_nvfp4_experts_are_padded_as_their_kernel_needs(gpu, engine, gated, hidden, width):
    # Nemotron 3 Nano with two ranks: 1,856 / 2 = 928. Two weights a byte, and a byte for 16 of them is their scale.
    experts = Experts(experts=4, experts_per_token=2, intermediate=1856, gated=gated)
    arch = replace(LLAMA, hidden=2688, layers=(LayerGroup(indices=(0,), mixer=None, feed_forward=experts),))
    quantization = Quantization(method="nvfp4", bits=4, group_size=16)
    found = weights_by_role(
        arch, quantization, Layout(tensor_parallel_size=2), 2, gpu=find_gpu(gpu), engine_version=engine
    )["experts"]
    matrices = [4 * (2 if gated else 1) * width * hidden, 4 * hidden * width]
    assert found == sum(allocated_bytes(size // 2) + allocated_bytes(size // 16) for size in matrices)


def test_a_printed_size_of_nemotron_3_nano_has_its_experts_padding():
    # 0.13 prints 9.8291 GiB on two RTX 50 (vllm-project/vllm#33333); 9.07 are without
    found = weights_bytes(
        find_shape("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4").arch,
        find_shape("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4").quantization,
        Layout(tensor_parallel_size=2), 2, gpu=find_gpu("RTX-5080"), engine_version="0.13.0",
    )  # fmt: skip
    assert found / GIB == pytest.approx(9.8291, rel=0.005)


def test_the_output_matrix_of_a_gguf_is_packed_as_well():
    # Q4_K_M of Llama-3.1-8B is a file of 4.92 GB; unlike rows of one merged tensor are padded to the widest
    packed = weights_bytes(LLAMA, typical("gguf"), Layout(), 2)
    assert 4.92e9 < packed < 1.03 * 4.92e9


def test_the_heaviest_pipeline_stage_is_counted():
    # Llama-3.1-8B: 16 layers of 218,112,000 and one of two tables of 128,256 x 4,096; 0.19 prints 7.51 GiB
    half = weights_bytes(LLAMA, UNQUANTIZED, Layout(pipeline_parallel_size=2), 2)
    assert half == pytest.approx(2 * (16 * 218_112_000 + 128_256 * 4096), rel=0.005)
    assert half / 2**30 == pytest.approx(7.51, abs=0.02)


# What files say.


def test_files_that_hold_more_are_believed_and_those_that_hold_less_only_by_their_headers():
    awq = typical("awq")
    said = file_bytes(LLAMA, awq, 2)
    for total, source, error in (
        (said, "file sizes", 0),
        (said * 1.02, "file sizes", 0),
        (said * 1.30, "file sizes", 0.30),
        (said * 0.70, "file sizes", 0),
        (said * 1.02, "safetensors headers", 0.02),
        (said * 0.90, "safetensors headers", -0.10),
        (said * 1.001, "safetensors headers", 0),
    ):
        known, note = as_the_files_say(LLAMA, awq, Evidence(int(total), source), 2)
        assert known.unexplained_fraction == pytest.approx(error, abs=1e-6)
        assert (note is None) == (error == 0)
        moved = weights_bytes(LLAMA, known, Layout(), 2) / weights_bytes(LLAMA, awq, Layout(), 2)
        assert moved == pytest.approx(1 + error, abs=0.003)


def test_files_of_tied_embeddings_may_hold_them_twice():
    tied = shapes()["meta-llama/Llama-3.2-1B"].arch
    once = loaded_file_bytes(tied, UNQUANTIZED, 2)
    for held in (once, once + 128256 * 2048 * 2):
        assert as_the_files_say(tied, UNQUANTIZED, Evidence(held, "safetensors headers"), 2) == (UNQUANTIZED, None)


def test_the_note_says_the_error_of_the_architecture():
    _, note = as_the_files_say(LLAMA, typical("awq"), Evidence(7_450_000_000, "file sizes"), 2)
    assert note == "the files hold 6.9 GiB, 30% more than awq explains: weights are planned that much larger"


# Laws.


@given(archs, methods, ranks, ranks)
def test_more_ranks_never_hold_more_weights_each(arch, quantization, one, other):
    few, many = sorted((one, other))
    if problems(arch, quantization, few) or problems(arch, quantization, many):
        return
    each = [weights_bytes(arch, quantization, Layout(tensor_parallel_size=n), 2) for n in (few, many)]
    assert each[1] <= each[0]


@given(archs, st.sampled_from([q for q in SIZED if q.method not in ("none", "mxfp4")]), ranks)
def test_quantizing_never_makes_weights_larger_and_four_bits_are_less_than_eight(arch, quantization, tp):
    if problems(arch, UNQUANTIZED, tp) or problems(arch, quantization, tp):
        return
    layout = Layout(tensor_parallel_size=tp)
    packed = weights_bytes(arch, quantization, layout, 2)
    assert packed < weights_bytes(arch, UNQUANTIZED, layout, 2)
    if quantization.bits is not None and quantization.bits < 8:
        assert packed < weights_bytes(arch, typical("fp8"), layout, 2)


@given(archs, methods)
def test_files_hold_at_least_what_is_loaded(arch, quantization):
    loaded = weights_bytes(replace(arch, rope_positions=0), quantization, Layout(), 2)
    assert loaded <= file_bytes(arch, quantization, 2)


@given(archs, st.sampled_from([1, 2, 4]))
def test_stages_together_hold_the_model(arch, stages):
    each = weights_bytes(arch, UNQUANTIZED, Layout(pipeline_parallel_size=stages), 2)
    assert stages * each >= weights_bytes(arch, UNQUANTIZED, Layout(), 2)


@given(st.integers(1, 20000), st.integers(1, 20000), st.sampled_from([q for q in SIZED if q.bits is not None]))
def test_a_larger_matrix_never_takes_less(outputs, inputs, quantization):
    scheme = Scheme(method=quantization.method, bits=quantization.bits, group_size=quantization.group_size)
    here = stored_bytes(outputs, inputs, scheme, 2)
    # The allocator rounds up to a step that a larger tensor may pass by splitting: at most 1 MiB for each of its parts.
    assert here <= stored_bytes(outputs + 64, inputs, scheme, 2) + 3 * MIB


def test_routers_that_vllm_keeps_in_float32_take_four_bytes():
    # vLLM 0.29 models/minimax_m2.py; a log on four GPUs prints 53.75 GiB, with 16 bits it would be 53.65
    arch = shapes()["MiniMaxAI/MiniMax-M2.5"].arch
    parts = weights_by_role(arch, typical("fp8"), Layout(tensor_parallel_size=4), 2)
    assert parts["router"] == 62 * (256 * 3072 * 4 + allocated_bytes(256 * 2))


def test_rows_of_16_bit_experts_are_kept_apart_on_amd():
    # vLLM 0.29 fused_moe/unquantized_fused_moe_method.py _maybe_pad_weight: 256 bytes a row of a multiple of 512
    arch = shapes()["Qwen/Qwen3-30B-A3B"].arch
    rows = 48 * 128 * (2 * 768 + 2048)
    amd, nvidia = (
        weights_by_role(arch, UNQUANTIZED, Layout(), 2, gpu=find_gpu(name))["experts"] for name in ("MI300X", "H100")
    )
    assert amd - nvidia == 256 * rows
    # 2,880 x 2 B is no multiple of 512.
    amd, nvidia = (weights_bytes(gpt_oss(), UNQUANTIZED, Layout(), 2, gpu=find_gpu(n)) for n in ("MI300X", "H100"))
    assert amd == nvidia


def test_positions_of_images_have_a_longer_table_and_the_encoder_a_buffer_for_each_batched_token():
    # vLLM 0.29 rotary_embedding/mrope.py, models/qwen3_vl.py; 0.12 printed 29.31 GiB on two GPUs with 8,192 tokens, and
    # 29.02 is without
    arch = shapes()["Qwen/Qwen3-VL-30B-A3B-Instruct"].arch
    two = Layout(tensor_parallel_size=2)
    parts = weights_by_role(arch, UNQUANTIZED, two, 2, engine_version="0.12.0", batched_tokens=8192)
    assert parts["rotary_table"] == 4 * 262144 * 128 * 2
    assert parts["deepstack_buffers"] == 3 * 8192 * 2048 * 2
    assert sum(parts.values()) / 2**30 == pytest.approx(29.3114, abs=0.02)
    before = weights_by_role(arch, UNQUANTIZED, two, 2, engine_version="0.6.6")
    assert before["rotary_table"] == 262144 * 128 * 2


def test_the_layer_that_drafts_brings_its_projection():
    # vLLM 0.20 on an RTX 5090 loads Qwen3.5-9B in 17.66 GiB, and in 18.12 with its draft layer.
    arch = find_shape("Qwen/Qwen3.5-9B").arch
    with_draft, without = (weights_bytes(arch, UNQUANTIZED, Layout(), 2, drafts=d) for d in (True, False))
    assert (with_draft - without) / GIB == pytest.approx(18.12 - 17.66, abs=0.01)


def test_a_draft_projection_is_not_quantized():
    arch = find_shape("deepseek-ai/DeepSeek-V3").arch
    layout = Layout(tensor_parallel_size=8)
    drafted = {w: weights_by_role(arch, typical("fp8"), layout, 2, drafts=w) for w in (True, False)}
    assert drafted[False].get("draft") is None
    assert drafted[True]["draft"] == 2 * 7168 * 7168 * 2
