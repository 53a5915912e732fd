"""Step times by hand, and what must hold for any model and load."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.architecture.arch import Indexer, Layout
from infercli.core.gpus import find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED, typical
from infercli.core.shapes import find_shape
from infercli.core.speed.coefficients import ROOFLINE, V0, V1
from infercli.core.speed.rates import halved_of
from infercli.core.speed.steps import Runtime, StepTime
from infercli.core.speed.work import rank_work
from tests.core.speed.engines import LLAMA, NOW, ROUND, step

MIXTRAL = find_shape("mistralai/Mixtral-8x7B-v0.1").arch

# Per layer of Llama-3.1-8B: qkv 6144 x 4096, output 4096 x 4096, gate-up 28672 x 4096, down 4096 x 14336.
LAYER = 6144 * 4096 + 4096 * 4096 + 28672 * 4096 + 4096 * 14336
HEAD = 128256 * 4096


def test_one_token_reads_all_weights_and_nothing_of_the_embedding():
    read_s = (32 * LAYER + HEAD) * 2 / 1e12  # 15.0 ms; computing takes 0.015 ms and hides behind it
    assert step()(1, 0) == pytest.approx(read_s, rel=1e-4)


def test_inputs_that_are_quantized_apart_cost_a_kernel_before_each_product():
    def kernels(quantization, gpu=ROUND, arch=LLAMA):
        return rank_work(
            arch, quantization, gpu, Layout(), element_bytes=2, kv_element_bytes=2, engine_version=(0, 29)
        ).kernels

    blocks = replace(typical("fp8"), block=(128, 128))
    plain = kernels(UNQUANTIZED)
    assert plain == 32 * (6 + 4)
    assert kernels(typical("fp8")) == kernels(typical("awq")) == plain  # fused, and not quantized at all
    assert (
        kernels(typical("int8"), ROUND.model_copy(update={"peak_flops": ROUND.peak_flops | {"int8": 2e15}}))
        == plain + 32 * 4
    )
    assert kernels(blocks) == plain + 32 * 4  # query-key-value, output, gate-up, down
    assert kernels(blocks, ROUND.model_copy(update={"capability": (8, 0)})) == plain  # weight-only there
    assert kernels(blocks, arch=MIXTRAL) == kernels(UNQUANTIZED, arch=MIXTRAL) + 32 * 2  # experts count their own


def test_a_layers_own_input_is_four_kernels_more():
    def kernels(model):
        arch = find_shape(model).arch
        return rank_work(
            arch, UNQUANTIZED, ROUND, Layout(), element_bytes=2, kv_element_bytes=2, engine_version=(0, 29)
        ).kernels

    assert kernels("google/gemma-4-E4B-it") == 42 * (6 + 4 + 4)  # a gate, what it gates, a product, its norm
    assert kernels("google/gemma-4-31B-it") == 60 * (6 + 4)


def test_widened_weights_are_multiplied_by_older_instructions_where_marlin_is_the_only_kernel():
    def shares(method, capability):
        gpu = ROUND.model_copy(update={"capability": capability})
        work = rank_work(
            MIXTRAL, typical(method), gpu, Layout(), element_bytes=2, kv_element_bytes=2, engine_version=(0, 29)
        )
        widened = [m for m in work.matrices if m.weight_only]
        return {bool(m.experts): round(m.flops_per_s / 1e15, 3) for m in widened}

    assert shares("w4a16", (8, 0)) == {False: 1, True: 1}
    assert shares("w4a16", (9, 0)) == {False: 1, True: 0.629}  # Machete has the rest
    assert shares("w4a16", (10, 0)) == {False: 0.25, True: 0.25}
    assert shares("w4a16", (12, 0)) == {False: 1, True: 1}  # has no others
    assert shares("mxfp4", (9, 0)) == {True: 1}  # Triton's kernel


def test_a_prompt_takes_a_quarter_longer_on_a100_where_marlin_widens_the_weights_and_less_where_products_are_slow():
    c, four = ROOFLINE._replace(widened_fraction=0.79), typical("w4a16")

    def prompt_s(capability, coefficients, arch=LLAMA, quantization=four, multiprocessors=None):
        gpu = ROUND.model_copy(update={"capability": capability, "multiprocessors": multiprocessors})
        return step(arch, gpu=gpu, coefficients=coefficients, quantization=quantization)(0, 0, 1e5, 0, 0)

    assert prompt_s((8, 0), c) == pytest.approx(prompt_s((8, 0), ROOFLINE) / 0.79, rel=5e-3)  # weights are read, too
    assert prompt_s((8, 0), c, quantization=UNQUANTIZED) == prompt_s((8, 0), ROOFLINE, quantization=UNQUANTIZED)
    assert [prompt_s((9, 0), c), prompt_s((7, 5), c)] == [prompt_s((9, 0), ROOFLINE), prompt_s((7, 5), ROOFLINE)]
    # A multiprocessor of an A100 has 2.89 TFLOP/s, these have half of it, and widening takes as long on both.
    slow = prompt_s((8, 6), c, multiprocessors=692) / prompt_s((8, 6), ROOFLINE, multiprocessors=692)
    assert slow == pytest.approx(1 + (1 / 0.79 - 1) / 2, rel=5e-3)
    assert prompt_s((12, 0), c, multiprocessors=100) == prompt_s((8, 0), c)
    attention_s = 32 * 2 * (2 * 4096 * 4096 + 2 * 4096 * 1024) * 1e5 / 1e15  # of experts none is known
    added_s = prompt_s((8, 0), c, MIXTRAL) - prompt_s((8, 0), ROOFLINE, MIXTRAL)
    assert added_s == pytest.approx(attention_s * (1 / 0.79 - 1), rel=1e-2)


def test_a_gpu_whose_sums_in_32_bits_are_halved_loses_half_as_much_of_them_to_all_that_is_beside():
    rows = {name: find_gpu(name) for name in ("RTX-3090", "RTX-4090", "RTX-5090", "RTX-PRO-6000", "A100-80-SXM", "H20")}
    assert {name: round(halved_of(gpu), 2) for name, gpu in rows.items()} == {
        "RTX-3090": 2, "RTX-4090": 2, "RTX-5090": 2, "RTX-PRO-6000": 1, "A100-80-SXM": 1, "H20": 1,
    }  # fmt: skip
    c = ROOFLINE._replace(matmul_fraction=0.5, attention_fraction=0.5, experts_half_matmul_fraction=0.5)

    def lost(peaks, quantization=UNQUANTIZED, arch=LLAMA, pairs=0.0):
        gpu = ROUND.model_copy(update={"peak_flops": {"bf16": 1e15} | peaks})
        timed = (step(arch, gpu=gpu, coefficients=of, quantization=quantization) for of in (c, ROOFLINE))
        return next(timed)(0, 0, 1e5, pairs, 0) / next(timed)(0, 0, 1e5, pairs, 0)

    assert lost({"int8": 2e15}) == pytest.approx(2, rel=1e-2)
    assert lost({"int8": 4e15}) == pytest.approx(1.5, rel=1e-2)
    assert lost({"int8": 4e15}, pairs=1e15) == pytest.approx(1.5, rel=1e-2)  # attention
    # FP8 adds up in 32 bits as well, integers do not; of experts nothing of the kind was measured.
    assert lost({"int8": 4e15, "fp8": 2e15}, typical("fp8")) == pytest.approx(1.5, rel=1e-2)
    assert lost({"int8": 4e15}, typical("int8")) == pytest.approx(2, rel=3e-2)
    assert lost({"int8": 4e15}, arch=MIXTRAL) == pytest.approx(1.95, rel=3e-2)


def test_experts_reach_more_of_the_peak_in_sixteen_bits():
    c = ROOFLINE._replace(experts_matmul_fraction=0.2, experts_half_matmul_fraction=0.4)

    def prompt_s(quantization, coefficients):
        return step(MIXTRAL, coefficients=coefficients, quantization=quantization)(0, 0, 1e5, 0, 1)

    computed_s = 32 * 2 * 2 * 3 * 4096 * 14336 * 1e5 / 1e15  # two of eight experts, in 16 bits
    assert prompt_s(UNQUANTIZED, c) - prompt_s(UNQUANTIZED, ROOFLINE) == pytest.approx(computed_s * 1.5, rel=1e-3)
    fp8 = typical("fp8")
    assert prompt_s(fp8, c) - prompt_s(fp8, ROOFLINE) == pytest.approx(computed_s / 2 * 4, rel=1e-3)


def test_context_adds_the_keys_and_values_of_every_layer():
    token_bytes = 32 * 2 * 8 * 128 * 2
    assert step()(4, 4000) - step()(4, 0) == pytest.approx(4000 * token_bytes / 1e12, rel=1e-3)


def test_tied_embeddings_are_read_for_every_token_as_a_head_of_its_own_is():
    tied = find_shape("meta-llama/Llama-3.2-1B").arch
    # qkv 3072 x 2048, output 2048 x 2048, gate-up 16384 x 2048, down 2048 x 8192
    layer = 2048 * (3072 + 2048 + 16384 + 8192)
    assert step(tied)(1, 0) == pytest.approx((16 * layer + 128256 * 2048) * 2 / 1e12, rel=1e-3)


def test_sparse_attention_reads_the_tokens_that_an_indexer_picks_and_the_indexer_every_key():
    def reads(cached):
        indexer = Indexer(heads=4, head_dim=128, top_k=2048, query_inputs=4096, cached=cached)
        groups = [g._replace(mixer=g.mixer._replace(indexer=indexer)) for g in LLAMA.layers]
        work = rank_work(
            replace(LLAMA, layers=tuple(groups)),
            UNQUANTIZED,
            ROUND,
            Layout(),
            element_bytes=2,
            kv_element_bytes=2,
            engine_version=(0, 29),
        )
        return {(r.window, r.token_bytes) for r in work.reads}

    attention, keys = (2048, 2 * 8 * 128 * 2), (None, 128 + 4)
    assert reads(cached=True) == {attention, keys}
    assert reads(cached=False) == {attention}  # it reads what another layer's has picked


V32 = find_shape("deepseek-ai/DeepSeek-V3.2").arch
BLACKWELL = ROUND.model_copy(update={"capability": (10, 0)})


def sparse_read(version, gpu=ROUND, kv_bytes=2, arch=V32, **layout):
    """What its layers read of the latent cache."""
    work = rank_work(
        arch, UNQUANTIZED, gpu, Layout(**layout), element_bytes=2, kv_element_bytes=kv_bytes, engine_version=version
    )
    return next(r for r in work.reads if r.window == 2048)


def test_sparse_latent_attention_computes_with_as_many_heads_as_its_kernel_has():
    head = 2 * (2 * 512 + 64)  # queries and values stay in the compressed space

    def heads(version, gpu=ROUND, kv_bytes=2, ranks=8):
        read = sparse_read(version, gpu, kv_bytes, tensor_parallel_size=ranks)
        assert read.decode_flops == read.prefill_flops
        return read.decode_flops / head

    assert heads((0, 13)) == heads((0, 29)) == heads((0, 13), kv_bytes=1) == 64  # of the 16 of a rank
    assert heads((0, 13), ranks=1) == 128
    assert heads((0, 13), BLACKWELL) == 128
    assert heads((0, 17), BLACKWELL) == heads((0, 17), BLACKWELL, kv_bytes=1) == 16  # FlashInfer's
    assert heads((0, 17), BLACKWELL, ranks=4) == 128
    assert heads((0, 17), BLACKWELL, kv_bytes=1, ranks=4) == 32
    assert heads((0, 29), ROUND.model_copy(update={"capability": (12, 0)})) == 16
    assert heads((0, 29), find_gpu("MI300X")) == 16


def test_sparse_latent_attention_computes_all_it_may_pick_until_its_kernel_is_told_how_many_it_did():
    before, after = sparse_read((0, 23), tensor_parallel_size=8), sparse_read((0, 26), tensor_parallel_size=8)
    assert (before.computed, before.short_prefill_flops) == (2048, None)
    assert (after.computed, after.short_prefill_flops) == (0, 2 * 16 * (128 + 64 + 128))

    def prompt_s(version, tokens):
        work = rank_work(
            V32, UNQUANTIZED, ROUND, Layout(tensor_parallel_size=8), element_bytes=2, kv_element_bytes=2,
            engine_version=version,
        )  # fmt: skip
        return StepTime(work, ROUND, ROOFLINE, NOW)(0, 0, tokens, tokens * tokens / 2, 1)

    long = 64 * 2 * (2 * 512 + 64) * 61 / 1e15
    short = 16 * 2 * (128 + 64 + 128) * 61 / 1e15
    assert prompt_s((0, 23), 2000) - prompt_s((0, 26), 2000) == pytest.approx(2000 * (2048 * long - 1000 * short))
    assert prompt_s((0, 23), 9000) == pytest.approx(prompt_s((0, 26), 9000))  # every token picks all that it may


def test_a_decode_computes_all_that_sparse_latent_attention_may_pick_until_its_kernel_is_told():
    busy = ROUND.model_copy(update={"memory_bandwidth_bytes_per_s": 1e30})  # what is read takes no time

    def token_s(version, context):
        work = rank_work(
            V32, UNQUANTIZED, busy, Layout(tensor_parallel_size=8), element_bytes=2, kv_element_bytes=2,
            engine_version=version,
        )  # fmt: skip
        return StepTime(work, busy, ROOFLINE, NOW)(8, 8 * context)

    each = 64 * 2 * (2 * 512 + 64) * 61 / 1e15
    assert token_s((0, 23), 1000) - token_s((0, 26), 1000) == pytest.approx(8 * (2048 - 1000) * each, rel=1e-3)
    assert token_s((0, 23), 3000) == pytest.approx(token_s((0, 26), 3000))


def test_a_long_prompt_computes_two_flops_a_weight_and_attends_to_what_came_before():
    tokens, weights = 100_000, 32 * LAYER
    pairs = tokens * tokens / 2
    attention = 32 * 4 * 32 * 128 * pairs  # two products of head_dim, two FLOP each, for 32 heads
    cache_s = tokens * 32 * 4096 / 1e12
    assert step()(0, 0, tokens, pairs, 1) == pytest.approx(
        (2 * weights * tokens + attention) / 1e15 + cache_s, rel=2e-3
    )


def test_tensor_parallel_ranks_read_their_share_and_send_each_layers_result_twice():
    alone, shared = step()(1, 0), step(tensor_parallel_size=4)(1, 0)
    sent_s = 64 * 2 * 3 / 4 * 4096 * 2 / 450e9  # 64 all-reduces, ring: 2 (n-1)/n of a 4096-wide 16-bit vector
    assert shared == pytest.approx(alone / 4 + sent_s, rel=1e-4)


def test_ranks_on_several_nodes_talk_over_the_network():
    sends_only = ROUND.model_copy(update={"memory_bandwidth_bytes_per_s": 1e18, "peak_flops": {"bf16": 1e21}})

    def sent_bytes(ranks):
        return 1000 * 64 * 2 * (ranks - 1) / ranks * 4096 * 2

    within, beyond = (step(gpu=sends_only, tensor_parallel_size=n)(0, 0, 1000, 0, 0) for n in (8, 16))
    assert within == pytest.approx(sent_bytes(8) / 450e9, rel=0.01)
    assert beyond == pytest.approx(sent_bytes(16) / 50e9, rel=0.01)


def test_experts_are_read_as_tokens_touch_them():
    expert = 3 * 4096 * 14336  # parameters of one of eight, in each of 32 layers
    one, many = step(MIXTRAL)(1, 0), step(MIXTRAL)(64, 0)
    touched_by_64 = 8 * (1 - (1 - 2 / 8) ** 64)
    assert many - one == pytest.approx(32 * (touched_by_64 - 2) * expert * 2 / 1e12, rel=1e-2)


def test_pipeline_stages_take_turns():
    """Two stages, eight sequences: each half of the batch passes both stages, four sequences at a time."""
    whole, two = step()(4, 0), step(pipeline_parallel_size=2)(8, 0)
    assert two == pytest.approx(whole, rel=1e-6)


def test_who_decodes_waits_for_a_prompt_in_a_pipeline_as_long_as_without_one():
    """The prompt is in one micro-batch and passes stage after stage; the other follows close behind."""
    whole, two = step(), step(pipeline_parallel_size=2)
    alone = whole(4, 0, 4000, 8e6, 1)
    assert two(8, 0, 4000, 8e6, 1) == pytest.approx(alone, rel=1e-6)
    # Each micro-batch has one: both pass while one would. The second is a stage behind, and half of that in the mean.
    assert two(8, 0, 8000, 16e6, 2) == pytest.approx(alone, rel=1e-6)
    assert two.passing_s(4000, 8e6, 1) == 0
    stage_s = two(0, 0, 4000, 8e6, 1) / 2
    assert two.passing_s(8000, 16e6, 2) == pytest.approx(stage_s / 2, rel=1e-2)


def test_a_prompt_that_fills_several_micro_batches_follows_itself_through_a_pipeline():
    two = step(pipeline_parallel_size=2, runtime=NOW._replace(batched_tokens=4000))
    assert two(8, 0, 8000, 16e6, 1) == pytest.approx(step()(4, 0, 4000, 8e6, 0.5), rel=1e-6)
    assert two.passing_s(8000, 16e6, 1) == pytest.approx(two(0, 0, 4000, 8e6, 1) / 2, rel=1e-2)  # it ends in the second


def test_fp8_computes_natively_where_the_gpu_can_and_only_shrinks_weights_where_it_cannot():
    early = ROUND.model_copy(update={"capability": (8, 0), "peak_flops": {"bf16": 1e15}})
    fp8 = typical("fp8")
    native, widened = step(quantization=fp8)(0, 0, 50_000, 0, 0), step(gpu=early, quantization=fp8)(0, 0, 50_000, 0, 0)
    plain = step()(0, 0, 50_000, 0, 0)
    assert native == pytest.approx(plain / 2, rel=0.02)
    assert widened == pytest.approx(plain, rel=0.02)
    assert step(gpu=early, quantization=fp8)(1, 0) < 0.6 * step()(1, 0)


def test_amds_gpus_before_cdna_4_take_longer_for_all_that_the_gpu_does():
    old = ROUND.model_copy(update={"platform": "rocm", "capability": None})
    new = old.model_copy(update={"peak_flops": old.peak_flops | {"fp4": 4e15}})
    for asked in ((1, 0), (64, 64_000), (0, 0, 50_000, 0, 1)):
        host_s = V1.async_step_s
        expected = (step(gpu=new, coefficients=V1)(*asked) - host_s) / V1.cdna3_fraction
        assert step(gpu=old, coefficients=V1)(*asked) - host_s == pytest.approx(expected, rel=1e-5)  # but launches
    assert step(gpu=old)(1, 0) == step(gpu=new)(1, 0)  # a bound loses nothing anywhere


def test_without_graphs_a_step_cannot_be_faster_than_its_launches():
    eager = step(coefficients=V1, runtime=NOW._replace(eager=True))
    assert eager(1, 0) >= 32 * V1.eager_layer_s
    assert step(coefficients=V1)(1, 0) < eager(1, 0)
    # Launched no faster than they run, kernels take a quarter more than either.
    busy_s = eager.gpu_s(1, 0, 0, 0, 0)
    alike = step(coefficients=V1._replace(eager_layer_s=busy_s / 32), runtime=NOW._replace(eager=True))
    assert alike(1, 0) - V1.async_step_s == pytest.approx(2 ** (1 / 3) * busy_s)


def test_eager_kernels_are_launched_one_by_one_and_prompts_beyond_graphs_by_layers():
    launches = V1._replace(eager_layer_s=0.05)  # next to which what the GPU does is nothing
    eager = NOW._replace(eager=True)

    def launched_s(arch=LLAMA, runtime=eager, quantization=UNQUANTIZED, prefill=0):
        told = step(arch=arch, quantization=quantization, coefficients=launches, runtime=runtime)
        return told(1, 0, prefill, 0, 0) - V1.async_step_s

    assert launched_s() == pytest.approx(32 * 0.05, rel=1e-3)
    assert launched_s(MIXTRAL) == pytest.approx(32 * 0.05 * 1.6, rel=1e-3)  # 6 and 10 kernels
    assert launched_s(quantization=replace(typical("fp8"), block=(128, 128))) == pytest.approx(32 * 0.05, rel=1e-3)
    assert launched_s(MIXTRAL, NOW, prefill=600) == pytest.approx(32 * 0.05, rel=1e-2)


def test_graphs_that_end_before_each_attention_are_launched_by_layers():
    pieces = NOW._replace(piecewise=True)
    slow = V1._replace(piecewise_layer_s=0.05)  # next to which what the GPU does is nothing
    assert step(coefficients=slow, runtime=pieces)(1, 0) - V1.async_step_s == pytest.approx(32 * 0.05, rel=1e-3)
    assert step(coefficients=slow)(1, 0) == step(coefficients=V1)(1, 0)
    # Beyond graphs, all of a layer is launched.
    assert step(coefficients=slow, runtime=pieces)(1, 0, 600) == step(coefficients=V1)(1, 0, 600)
    assert step(runtime=pieces)(1, 0) == step()(1, 0)  # a bound launches in no time


def test_a_step_is_never_shorter_than_its_tokens_take_to_stream():
    c = ROOFLINE._replace(front_token_s=1e-3)
    for asynchronous in (True, False):
        runtime = NOW._replace(asynchronous=asynchronous)
        assert step(coefficients=c, runtime=runtime)(100, 0, 100, 0, 28) == pytest.approx(0.128)
        assert step(coefficients=c, runtime=runtime)(4, 0) == step(runtime=runtime)(4, 0)  # it hides behind the GPU
        alone = runtime._replace(served=False)
        assert step(coefficients=c, runtime=alone)(128, 0) == step(runtime=alone)(128, 0)


@given(
    decodes=st.integers(0, 512), context=st.integers(1, 8192), prefill=st.integers(0, 8192), part=st.floats(1, 3),
    arch=st.sampled_from([LLAMA, MIXTRAL]), c=st.sampled_from([V0, V1, ROOFLINE]),
)  # fmt: skip
@settings(max_examples=200)
def test_more_of_anything_is_never_faster(decodes, context, prefill, part, arch, c):
    timed = step(arch, coefficients=c, runtime=Runtime(v0=c is V0, asynchronous=False))
    base = timed(decodes, decodes * context, prefill, prefill * context, 1)
    assert timed(decodes + 1, (decodes + 1) * context, prefill, prefill * context, 1) >= base * (1 - 1e-9)
    assert timed(decodes, decodes * context * part, prefill, prefill * context, 1) >= base * (1 - 1e-9)
    assert timed(decodes, decodes * context, prefill * part, prefill * context * part, 1) >= base * (1 - 1e-9)


@given(factor=st.floats(1, 4), name=st.sampled_from(["L4", "A100-80-SXM", "H100", "B200"]), batch=st.integers(1, 256))
@settings(max_examples=60)
def test_more_bandwidth_or_compute_is_never_slower(factor, name, batch):
    gpu = find_gpu(name)
    wide = gpu.model_copy(update={"memory_bandwidth_bytes_per_s": gpu.memory_bandwidth_bytes_per_s * factor})
    quick = gpu.model_copy(update={"peak_flops": {k: v * factor for k, v in gpu.peak_flops.items()}})
    load = (batch, batch * 1000, 512, 512 * 500, 1)
    base = step(gpu=gpu, coefficients=V1)(*load)
    assert step(gpu=wide, coefficients=V1)(*load) <= base
    assert step(gpu=quick, coefficients=V1)(*load) <= base
