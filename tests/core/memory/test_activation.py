"""Hand-computed moments of the profile run: the sampler's, the forward pass, and what experts keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.engines import find_engine
from infercli.core.engines.facts import NOTHING
from infercli.core.gpus import find_gpu
from infercli.core.memory.activation import moments
from infercli.core.memory.sampler import uses_v2_runner
from infercli.core.quantization.checkpoint import UNQUANTIZED, typical
from infercli.core.shapes import shapes
from infercli.core.units import GIB, MIB
from tests.core.memory.batches import A100, L4, LLAMA, MI300X, V0_07, V0_15, V0_19, V0_25, V0_29, load, peak


def test_the_sampler_of_019_holds_logits_probabilities_and_noise():
    # bf16 logits 2, fp32 logits 4, probabilities 4, noise 4; Triton's row per SM (128 of 132: a power of two); hidden
    # states; two copies of the last ones; cuBLAS. 1.885 GiB: vLLM 0.19 prints 1.89
    by_hand = 14 * 1024 * 128256 + 4 * 132 * 128256 + 2 * 8192 * 4096 + 2 * 2 * 1024 * 4096 + 32 * MIB
    assert peak(LLAMA, load(seqs=1024, tokens=8192), V0_19).typical == by_hand
    assert by_hand / GIB == pytest.approx(1.885, abs=0.001)


def test_the_sampler_until_016_sorts_the_whole_vocabulary():
    # 2 + 4 + values 4 + indices 8 + reverse indices 8 + cub's second buffer 12 = 38 B: 0.11 on H100 printed 4.84 for
    # this vocabulary with a hidden width of 8192 and two GPUs
    arch = shapes()["meta-llama/Llama-3.1-70B"].arch
    by_hand = 38 * 1024 * 128256 + 2 * 8192 * 8192 + 2 * 2 * 1024 * 8192 + 32 * MIB
    assert peak(arch, load(2, seqs=1024, tokens=8192), V0_15).typical == by_hand
    assert by_hand / GIB == pytest.approx(4.84, abs=0.01)


def test_below_128_rows_the_sort_takes_more_per_row():
    # 50 B: two buffers of index and segment and the sorted keys, instead of the reverse indices
    sixty_four = 50 * 64 * 128256 + 2 * 2048 * 4096 + 2 * 2 * 64 * 4096 + 8 * MIB + 128 * 1024
    assert peak(LLAMA, load(seqs=64, gpu=L4), V0_15).typical == sixty_four


def test_before_055_the_sampler_sorts_what_the_model_wrote_without_a_copy():
    # Each value in fp32 is one of 2 B: of 36 the logits, the sorted values and cub's buffer, of 48 the sorted keys too
    def taken(seqs):
        return peak(LLAMA, load(seqs=seqs, tokens=1024), find_engine("0.5.4")).typical

    assert taken(1024) - taken(512) == 512 * (30 * 128256 + 2 * 2 * 4096)
    assert taken(64) - taken(32) == 32 * (40 * 128256 + 2 * 2 * 4096)


def test_a_float32_model_has_its_logits_copied_all_the_same():
    # 16 B per logit, as 0.19 prints 2.21 GiB
    assert peak(LLAMA, load(seqs=1024, tokens=8192, dtype_bytes=4), V0_19).typical / GIB == pytest.approx(
        2.21, abs=0.01
    )


def test_the_forward_pass_wins_where_few_sequences_are_sampled():
    # 2 B x 8192 x (3 x 14336 + 4 x 4096) + 16 MiB
    by_hand = 2 * 8192 * (3 * 14336 + 4 * 4096) + 16 * MIB
    assert peak(LLAMA, load(seqs=1, tokens=8192), V0_19).typical == by_hand


@pytest.mark.parametrize(
    ("model", "mixed"),
    [
        (
            "Qwen/Qwen3.5-35B-A3B",
            4 * 16 * 128 + 4 * 32 * 128,
        ),  # a gated delta rule: four of its keys, four of its values
        ("ibm-granite/granite-4.0-h-small", 4 * 128 * 64 + 4 * 1 * 128),  # a state space: four widths, four states
    ],
)
def test_a_recurrent_layer_projects_more_than_the_experts_beside_it(model, mixed):
    arch = shapes()[model].arch
    for tp in (1, 2):
        by_hand = 2 * 8192 * (2 * arch.hidden + mixed // tp) + 16 * MIB
        assert moments(arch, UNQUANTIZED, load(tp, seqs=1, tokens=8192), V0_19).forward.typical == by_hand


def test_int8_keeps_one_more_copy_of_the_intermediate():
    # 0.19 with a 70B INT8 model on one H100: 75.23 of budget - 67.72 - 5.01 of KV - 0.25 non-torch = 2.25 GiB
    arch = shapes()["meta-llama/Llama-3.1-70B"].arch
    found = peak(arch, load(seqs=1024, tokens=8192), V0_19, typical("int8")).typical
    assert found == 2 * 8192 * (4 * 28672 + 4 * 8192) + 16 * MIB
    assert found / GIB == pytest.approx(2.25, abs=0.02)


def test_experts_leave_their_workspace_beside_the_sampler():
    # TP 2: 2 B x 8192 x 2 x (max(7168, 4096) + max(14336, 4096)), as 0.19 printed 1.21 GiB
    arch = shapes()["mistralai/Mixtral-8x7B-v0.1"].arch
    workspace = 2 * 8192 * 2 * (7168 + 14336)
    sampler = 14 * 1024 * 32000 + 528 * 32000 + 2 * 8192 * 4096 + 2 * 2 * 1024 * 4096 + 32 * MIB
    at = load(tp=2, seqs=1024, tokens=8192)
    assert peak(arch, at, V0_19).typical == workspace + sampler
    # Marlin's experts, and all before 0.13, give it back; from 0.22 on it may stay
    awq = typical("awq")
    assert peak(arch, at, V0_19, awq).typical == max(sampler, workspace + 2 * 8192 * 4 * 4096 + 16 * MIB)
    assert peak(arch, at, V0_19, awq).high < peak(arch, at, V0_19).typical + workspace
    assert peak(arch, at, V0_25, awq).high >= 2 * workspace


def test_until_018_experts_take_no_more_than_a_chunk_of_tokens_at_once():
    # FP8 by tensor, whose kernels give their buffers back; beside them two hidden states, q, k, v and their output
    arch = shapes()["mistralai/Mixtral-8x7B-v0.1"].arch
    row, out = 2 * 2 * (14336 + 28672), 2 * 65536 * 4096
    dense = 2 * 65536 * (2 * 4096 + 2 * 32 * 128 + 2 * 8 * 128) + 16 * MIB
    found = {
        version: moments(arch, typical("fp8"), load(tokens=65536), find_engine(version)).forward.typical - dense
        for version in ("0.9.2", "0.11.0", "0.12.0", "0.17.0", "0.18.0")
    }
    assert found == {
        "0.9.2": 32768 * row + out, "0.11.0": 32768 * row + out, "0.12.0": 16384 * row + out,
        "0.17.0": 16384 * row + out, "0.18.0": 65536 * row,
    }  # fmt: skip
    # Marlin takes all of them
    awq = moments(arch, typical("awq"), load(tokens=65536), find_engine("0.17.0")).forward.typical - dense
    assert awq == 65536 * 2 * 2 * (14336 + 28672)


def test_marlins_buffers_until_022_are_one_row_of_the_hidden_state_and_one_of_the_expert():
    # Kimi K2.5 on eight H100, 0.15, 64 sequences: 2.56 GiB beside the weights, of which about 1.0 is NCCL's
    kimi = shapes()["moonshotai/Kimi-K2.5"].arch
    found = {
        v: peak(kimi, load(8, seqs=64, tokens=8192), find_engine(v), typical("w4a16")) for v in ("0.15.0", "0.22.0")
    }
    assert found["0.15.0"].typical / GIB == pytest.approx(1.57, abs=0.02)
    assert found["0.22.0"].typical - found["0.15.0"].typical == 2 * 8192 * 8 * (7168 - 256)


def test_v0_runs_the_whole_prompt_uncompiled():
    # Llama-3.1-8B on a 3090 with 0.6.4, 20,000 tokens: 2.07 GiB printed. 2 B x 20,000 x 3 x (14336 + 4096) = 2.06
    older = find_engine("0.6.4")
    found = peak(LLAMA, load(seqs=1, tokens=20_000, gpu=find_gpu("RTX-3090")), older).typical
    assert found == 2 * 20_000 * 3 * (14336 + 4096)


@pytest.mark.parametrize(
    ("model", "tp", "tokens", "printed"),
    [
        # Public logs of 0.7: a T4, two RTX 4090, two A100 of 40 GB
        ("Qwen/Qwen2.5-1.5B-Instruct", 1, 32768, 2.02),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 2, 2048, 0.19),
        ("Qwen/Qwen2.5-14B-Instruct", 2, 32768, 2.84),
    ],
)
def test_v0_since_07_holds_one_more_of_the_hidden_size_and_a_copy_to_sum(model, tp, tokens, printed):
    arch = shapes()[model].arch
    found = moments(arch, UNQUANTIZED, load(tp, seqs=1, tokens=tokens, gpu=A100), V0_07).forward
    hidden, intermediate = {1: (1536, 8960), 2: (5120, 13824 // 2)}[tp]
    assert found.typical == 2 * tokens * (3 * intermediate + (4 + tp - 1) * hidden)
    assert found.typical / GIB == pytest.approx(printed, abs=0.015)


def test_a_pipeline_stage_holds_what_the_stage_before_hands_on():
    # 0.19 with two and four stages prints 2.01 GiB where one prints 1.89: hidden states and residual, 2 B x 8192 x 4096
    for seqs in (1, 1024):  # the forward pass is the peak, or the sampler
        one, two = (peak(LLAMA, load(seqs=seqs, tokens=8192, stages=s), V0_19).typical for s in (1, 2))
        assert two - one == 2 * (2 * 8192 * 4096)


def test_every_residual_stream_is_held_through_a_layer():
    arch = shapes()["Qwen/Qwen3.8-Flash-Next"].arch
    held, one = (
        moments(a, UNQUANTIZED, load(tp=8, tokens=8192), V0_29).forward.typical
        for a in (arch, replace(arch, residual_streams=1))
    )
    assert held - one == 2 * 8192 * 2 * 3 * 2560  # those that a half of it begins with, and those that it leaves


def test_every_rank_samples_over_the_whole_vocabulary():
    one, two = (peak(LLAMA, load(tp, seqs=4096, tokens=4096), V0_29) for tp in (1, 2))
    assert two == one


def test_a_model_that_pools_samples_nothing():
    bge = shapes()["BAAI/bge-m3"].arch
    assert moments(bge, UNQUANTIZED, load(seqs=1024), V0_19).sampler == NOTHING


def test_latent_attention_stands_for_a_context_of_eight_requests_and_64_ki_at_most():
    # v1/attention/backends/mla: 16 heads of 128 + 128 values in 2 B, for each token of the chunk
    lite = shapes()["deepseek-ai/DeepSeek-V2-Lite"].arch
    short, long, longer = (
        moments(lite, UNQUANTIZED, load(seqs=1, length=length), V0_19).forward.typical for length in (1024, 8192, 16384)
    )
    assert long - short == 2 * 16 * 256 * (65536 - 8 * 1024)
    assert longer == long


def test_an_indexer_takes_its_logits_however_short_the_context_is():
    sparse = shapes()["deepseek-ai/DeepSeek-V3.2"].arch
    short, long = (
        moments(sparse, UNQUANTIZED, load(8, seqs=1, length=length), V0_19).forward.typical for length in (256, 2048)
    )
    assert short == long > 512 * MIB


def test_029_keeps_its_penalty_table_for_ever():
    # 4 B counts and one bit per vocabulary entry and sequence, 2 B of logits, two copies of the last hidden states
    few, many = (peak(LLAMA, load(seqs=s, tokens=16384), V0_29).low for s in (512, 1024))
    assert uses_v2_runner(LLAMA, UNQUANTIZED, load(), V0_29)
    table = 512 * 128256 * (4.125 + 2) + 2 * 2 * 512 * 4096
    assert many - few <= table
    assert peak(LLAMA, load(seqs=4096, tokens=4096), V0_29).low == pytest.approx(
        4096 * 128256 * 6.125 + 2 * 4096 * 4096 + 2 * 2 * 4096 * 4096 + 32 * MIB
    )


def test_the_v2_runner_came_to_some_models_first():
    # DEFAULT_V2_MODEL_RUNNER_ARCHITECTURES and is_default_v2_model_runner_model in config/vllm.py of each version
    mixtral, latent = (shapes()[name].arch for name in ("mistralai/Mixtral-8x7B-v0.1", "deepseek-ai/DeepSeek-V3"))
    qwen = shapes()["Qwen/Qwen3-32B"].arch
    versions = ("0.21.0", "0.22.0", "0.23.0", "0.24.0", "0.25.0", "0.29.0")

    def used(arch, quantization=UNQUANTIZED) -> list[bool]:
        return [uses_v2_runner(arch, quantization, load(), find_engine(v)) for v in versions]

    assert used(qwen) == [False, True, True, True, True, True]
    assert used(qwen, typical("fp8")) == [False, False, False, True, True, True]
    assert used(LLAMA) == [False, False, True, True, True, True]
    assert used(mixtral) == [False, False, False, False, False, True]
    assert used(replace(latent, architecture="DeepseekV2ForCausalLM")) == [False, False, False, True, True, True]
    assert used(shapes()["BAAI/bge-m3"].arch) == [False, False, False, False, False, True]  # it pools


def test_the_v1_runner_stays_on_rocm_for_two_classes_and_for_speculation_the_v2_runner_lacks():
    # 0.29 config/vllm.py ROCM_DEFAULT_MRV1_ARCHITECTURES, _get_v2_model_runner_unsupported_features
    sparse = shapes()["deepseek-ai/DeepSeek-V3.2"].arch
    assert uses_v2_runner(sparse, UNQUANTIZED, load(8), V0_29)
    assert not uses_v2_runner(sparse, UNQUANTIZED, load(8, gpu=MI300X), V0_29)
    assert uses_v2_runner(LLAMA, UNQUANTIZED, load(gpu=MI300X), V0_29)
    assert not uses_v2_runner(LLAMA, UNQUANTIZED, replace(load(), drafts_by_v1=True), V0_29)


def test_the_v2_runners_profile_copied_logits_until_027_and_its_tables_count_since_027():
    # Qwen3-8B has 151,936 entries; 4,096 sequences and tokens, so that sampling is the peak
    qwen = shapes()["Qwen/Qwen3-32B"].arch
    low = {v: peak(qwen, load(seqs=4096, tokens=4096), find_engine(v)).typical for v in ("0.26.0", "0.27.0", "0.28.0")}
    logits = 4096 * qwen.vocab
    assert low["0.27.0"] - low["0.26.0"] == pytest.approx(4.125 * logits)
    assert low["0.27.0"] - low["0.28.0"] == pytest.approx(4 * logits)


def test_experts_are_handed_the_tokens_of_all_data_parallel_ranks():
    # What Triton's experts keep is for all of them: per token and expert of it 14,336 and 2 x 14,336 elements. Beside
    # them the forward pass has the gathered hidden states, of the other rank. Until 0.16 the experts keep nothing.
    mixtral, tokens = shapes()["mistralai/Mixtral-8x7B-v0.1"].arch, 4096

    def more(version):
        found = []
        for ranks in (1, 2):
            layout = Layout(data_parallel_size=ranks, expert_parallel=True)
            at = replace(load(tokens=tokens, gpu=find_gpu("A100-80")), layout=layout)
            found.append(moments(mixtral, UNQUANTIZED, at, find_engine(version)))
        alone, both = found
        return both.kept.typical - alone.kept.typical, both.forward.typical - alone.forward.typical

    experts, gathered = 2 * tokens * 2 * (14336 + 28672), 2 * tokens * 4096
    assert more("0.20.0") == more("0.19.0") == (experts, gathered)
    assert more("0.10.1") == (0, experts + gathered)


def test_what_experts_pass_on_is_counted_at_the_low_end_too_on_datacentre_blackwell():
    # Only DeepSeek-V4 has kernels there whose buffers are elsewhere. FP8 by tensor keeps nothing for its experts.
    mixtral, at = shapes()["mistralai/Mixtral-8x7B-v0.1"].arch, load(tokens=8192, gpu=find_gpu("B200"))
    forward = moments(mixtral, typical("fp8"), at, find_engine("0.25.0")).forward
    assert forward.typical > 2 * 8192 * 2 * (14336 + 28672)
    assert forward.low == pytest.approx(0.85 * forward.typical)
