"""What DeepSeek-V4 takes beside its weights, counted by hand from the tensors that vLLM's source allocates."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout
from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.memory import sizing
from infercli.core.memory.activation import moments
from infercli.core.memory.batch import Load
from infercli.core.memory.compressed_attention import compressed, padded_heads
from infercli.core.memory.cuda_graphs import graph_parts
from infercli.core.memory.weights import BATCH_BUFFERS, ROTARY, allocated_bytes, weights_by_role
from infercli.core.quantization.checkpoint import detect_in
from infercli.core.shapes import shapes
from infercli.core.units import GIB, MIB
from tests.core.against_vllm.kv_models import COMPRESSED

FLASH = COMPRESSED | {
    "hidden_size": 4096, "num_hidden_layers": 43, "num_attention_heads": 64, "vocab_size": 129280,
    "compress_ratios": [0, 0, *([4, 128] * 20), 4], "q_lora_rank": 1024, "o_lora_rank": 1024, "index_n_heads": 64,
    "index_topk": 512, "n_routed_experts": 256, "num_experts_per_tok": 6, "moe_intermediate_size": 2048,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}  # fmt: skip
ARCH, QUANTIZATION = architecture.parse(FLASH), detect_in(FLASH)
TOKENS, KIB = 65536, 1024
STREAMS, HIDDEN = 4 * 4096 * 2, 4096 * 2


def load(gpu="H200", tp=2, tokens=TOKENS, length=131072, eager=False, dp=1, seqs=256, drafted=0):
    return Load(
        layout=Layout(tensor_parallel_size=tp, data_parallel_size=dp, expert_parallel=dp > 1), gpu=find_gpu(gpu),
        max_num_seqs=seqs, max_num_batched_tokens=tokens, max_model_len=length, element_bytes=2, enforce_eager=eager,
        speculative_tokens=drafted, drafts=drafted > 0,
    )  # fmt: skip


def forward_per_token(version, **asked):
    at = load(**asked)
    found = moments(ARCH, QUANTIZATION, at, find_engine(version)).forward
    assert found.low < found.typical < found.high
    return (found.typical - 16 * MIB) / at.max_num_batched_tokens


def parts(version, *, drafts=False, tp=2, tokens=TOKENS, gpu="H200"):
    return weights_by_role(
        ARCH, QUANTIZATION, Layout(tensor_parallel_size=tp), 2,
        gpu=find_gpu(gpu), engine_version=version, drafts=drafts, batched_tokens=tokens,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "eager", "held", "query"),
    [
        # Queries are padded into a copy, and without torch.compile the caller holds the streams that came in as well.
        ("0.25.0", False, 2 * (STREAMS + HIDDEN), (32 + 64) * 512 * 2),
        ("0.27.1", False, 2 * (STREAMS + HIDDEN), (32 + 64) * 512 * 2),
        ("0.22.0", False, STREAMS + HIDDEN, (32 + 64) * 512 * 2),
        ("0.22.0", True, 2 * (STREAMS + HIDDEN), (32 + 64) * 512 * 2),
        # 0.20 does not pad in the profile; beside its queries are those of the indexer, in BF16 and FP8, and its logits
        ("0.20.0", True, STREAMS + HIDDEN, 32 * 512 * 2 + 64 * 128 * 3 + 512 * MIB / TOKENS),
    ],
)
def test_the_forward_pass_of_deepseek_v4_holds_streams_padded_heads_and_scores(version, eager, held, query):
    output, latents = 64 * 512 * 2, 2 * (1024 + 512) * 2
    scores = 4 * 2 * 2 * (512 + 128)  # keys and gates of attention and indexer in fp32, two halves each at ratio 4
    assert forward_per_token(version, eager=eager) == pytest.approx(held + output + latents + scores + query)


@pytest.mark.parametrize("version", ["0.20.0", "0.22.0"])
def test_a_compiled_piece_holds_what_came_into_it_until_it_returns(version):
    # With eight ranks the queries are few, and the end of a piece is the largest moment: the output of the attention
    # before it and the streams that came with it, the streams and the input of the next layer, and room for its output
    output = 64 * 512 * 2
    assert forward_per_token(version, tp=8) == pytest.approx(output + STREAMS + STREAMS + HIDDEN + output)


def test_experts_without_a_workspace_run_beside_what_a_compiled_piece_holds():
    # TRT-LLM on capability 10: six experts a token, and what the class of any experts takes beside the streams
    beside = 4 * HIDDEN + 3 * 2048 // 2 * 2 + 6 * 2 * HIDDEN
    compiled, eager = (forward_per_token("0.22.0", gpu="B200", eager=e) for e in (False, True))
    assert compiled == pytest.approx(64 * 512 * 2 + STREAMS + (STREAMS + HIDDEN) + beside)
    assert eager == pytest.approx(max(2 * (STREAMS + HIDDEN) + beside, 256 * KIB))


def test_the_forward_pass_is_least_sure_where_it_was_not_read_to_its_end():
    # torch.compile until 0.22, which no start shows, and what is later than all starts
    at = {
        "compiled": ("0.22.0", False),
        "eager": ("0.22.0", True),
        "0.26": ("0.26.0", False),
        "0.27": ("0.27.0", False),
    }
    found = {k: moments(ARCH, QUANTIZATION, load(eager=e), find_engine(v)).forward for k, (v, e) in at.items()}
    ends = {name: (round(b.low / b.typical, 2), round(b.high / b.typical, 2)) for name, b in found.items()}
    assert ends == {"compiled": (0.95, 1.2), "eager": (0.95, 1.1), "0.26": (0.95, 1.1), "0.27": (0.85, 1.2)}


def test_a_batch_of_few_tokens_is_led_by_the_logits_of_the_indexer():
    few = forward_per_token("0.25.0", tokens=2048) * 2048
    assert few - 512 * MIB == pytest.approx(2048 * (80 + 64 + 6 + 10 + 8) * KIB)


@pytest.mark.parametrize(
    ("version", "gpu", "tp", "padded"),
    [
        ("0.25.0", "H200", 1, 64),
        ("0.25.0", "H200", 8, 64),
        ("0.25.0", "RTX-PRO-6000", 2, 32),
        ("0.25.0", "RTX-PRO-6000", 8, 16),
        ("0.27.0", "RTX-PRO-6000", 8, 8),
        ("0.23.0", "RTX-PRO-6000", 8, 64),
        ("0.27.0", "MI300X", 8, 8),
    ],
)
def test_heads_are_padded_as_each_kernel_takes_them(version, gpu, tp, padded):
    # get_padded_num_q_heads of nvidia/flashmla.py, nvidia/flashinfer_sparse.py and amd/rocm.py
    mixer, layout = compressed(ARCH)[0], Layout(tensor_parallel_size=tp)
    assert padded_heads(mixer, layout, find_gpu(gpu), find_engine(version).release) == padded


@pytest.mark.parametrize(
    ("version", "drafts", "sizes"),
    [
        ("0.20.0", False, (512 * 4, STREAMS)),  # the keys that each token picks, and the streams for drafts
        ("0.26.0", True, (512 * 4, STREAMS)),
        ("0.27.1", False, (512 * 4, 64 * 512 * 2, 64 * (64 + 4 + 4))),  # padded queries, and FP4 queries of the indexer
        ("0.28.0", True, (512 * 4, STREAMS, 64 * 512 * 2, 64 * (64 + 4 + 4))),
        ("0.29.0", False, (512 * 4,)),
    ],
)
def test_buffers_for_a_batch_are_loaded_with_the_layers_of_deepseek_v4(version, drafts, sizes):
    found = parts(version, drafts=drafts)[BATCH_BUFFERS]
    assert found == sum(allocated_bytes(TOKENS * size) for size in sizes)


def test_the_rotary_tables_of_deepseek_v4_are_in_fp32():
    # layers/rotary_embedding/deepseek_scaling_rope.py DeepseekV4ScalingRotaryEmbedding: one for each base
    assert parts("0.27.1")[ROTARY] == 2 * 1048576 * 64 * 4


def test_weights_of_deepseek_v4_are_as_sure_as_logs_show():
    def above(gpu, arch=ARCH, quantization=QUANTIZATION):
        memory = sizing.gpu_memory(
            arch, quantization, load(gpu), find_engine("0.25.0"), total_bytes=140 * GIB, share_bytes=133 * GIB
        )
        weights = sizing.term(memory, "weights")
        return round(weights.high_bytes / weights.bytes - 1, 4)

    # Marlin and DeepGEMM; no log of TRT-LLM's shows what is loaded of the model alone
    assert [above(gpu) for gpu in ("H200", "RTX-PRO-6000", "B200")] == [0.005, 0.005, 0.015]
    assert above("H200", shapes()["meta-llama/Llama-3.1-8B"].arch) == 0.015
    # Experts in NVFP4 have other kernels, of which no log was seen
    nvfp4 = shapes()["nvidia/DeepSeek-V4-Flash-NVFP4"].quantization
    assert [above(gpu, quantization=nvfp4) for gpu in ("H200", "RTX-PRO-6000")] == [0.015, 0.015]


def test_models_without_compressed_attention_have_none_of_these_buffers():
    llama = shapes()["meta-llama/Llama-3.1-8B"].arch
    found = weights_by_role(llama, detect_in({}), Layout(), 2, engine_version="0.27.1", batched_tokens=TOKENS)
    assert BATCH_BUFFERS not in found


@pytest.mark.parametrize(
    ("gpu", "length", "kept"),
    [
        # Marlin: for six experts of a token two buffers of the hidden width
        ("H200", 131072, 8192 * 6 * 2 * HIDDEN),
        # the indexer: 40 x max_model_len / 4 keys of 128 B with a scale of 4, and what picking takes
        ("H200", 1048576, 40 * 262144 * 132 + MIB),
        # DeepGEMM: each of 256 experts begins at a block of 128 rows; and FlashInfer's own
        ("RTX-PRO-6000", 131072, (8192 * 6 + 256 * 127) * 2 * HIDDEN + 128 * MIB),
    ],
)
def test_attention_and_experts_share_a_workspace_that_stays(gpu, length, kept):
    at = load(gpu, tokens=8192, length=length)
    found = moments(ARCH, QUANTIZATION, at, find_engine("0.25.0")).kept
    assert found.typical == kept


def test_few_rows_an_expert_are_padded_to_blocks_of_64():
    # and Marlin, before 0.24, pads none
    at = load("RTX-PRO-6000", tokens=2048, length=8192)
    few, marlin = (moments(ARCH, QUANTIZATION, at, find_engine(v)).kept.typical for v in ("0.25.0", "0.23.0"))
    assert few == (2048 * 6 + 256 * 63) * 2 * HIDDEN + 128 * MIB
    assert marlin == 2048 * 6 * 2 * HIDDEN


def test_flashmla_gathers_the_keys_of_four_requests_for_as_long_as_they_may_be():
    # Where experts take nothing from the workspace, as TRT-LLM: 4 x (keys / 4 + window + tokens) of 512 in BF16, 0.27
    # with the indices of 640 tokens and a length for each
    keys, tokens = 131072 // 4, TOKENS
    kept = moments(ARCH, QUANTIZATION, load("B200"), find_engine("0.27.1")).kept
    assert kept.typical == 4 * (keys + 128 + tokens) * 512 * 2 + tokens * 4 * 641


def test_what_the_allocator_holds_back_counts_since_027():
    def above(version):
        kept = moments(ARCH, QUANTIZATION, load(), find_engine(version)).kept
        return kept.high - kept.typical

    assert [above(version) / GIB for version in ("0.26.0", "0.27.1")] == [0, 0.75]


def test_two_rtx_pro_6000_with_a_fork_of_028_start_as_was_printed():
    # local-inference-lab/rtx6kpro#103 and another, of 1,048,576 tokens a request and 4,096 a step: 83.1 and 82.69 GiB
    # are consumed, 81.11 and 80.99 of them by the model, beside a forward pass of 0.92 and 1.02
    at, engine = load("RTX-PRO-6000", tokens=4096, length=1048576, seqs=4), find_engine("0.28.0")
    found, beside = moments(ARCH, QUANTIZATION, at, engine), sizing.non_torch(ARCH, at, engine)
    stays = found.kept.plus(beside)
    assert all(stays.low / GIB < printed < stays.high / GIB for printed in (1.70, 1.99))
    assert all(found.forward.low / GIB < printed < found.forward.high / GIB for printed in (0.92, 1.02))


def test_the_workspace_of_marlin_and_deepgemm_is_sure_to_stay():
    for gpu in ("H200", "RTX-PRO-6000"):
        kept = moments(ARCH, QUANTIZATION, load(gpu, tokens=8192), find_engine("0.25.0")).kept
        assert kept.low == pytest.approx(0.9 * kept.typical)


def test_experts_see_the_tokens_of_all_data_parallel_ranks():
    # 0.22 fused_moe/prepare_finalize/naive_dp_ep.py gathers them
    alone, eight = (moments(ARCH, QUANTIZATION, load(tp=1, dp=dp), find_engine("0.22.0")).kept for dp in (1, 8))
    assert (alone.typical, eight.typical) == (TOKENS * 6 * 2 * HIDDEN, 8 * TOKENS * 6 * 2 * HIDDEN)


def test_megamoe_may_gather_no_tokens_on_capability_10():
    # --moe-backend deep_gemm_mega_moe, which is not asked for, exchanges them in buffers of its own
    at, engine = load("B200", tp=1, dp=8, tokens=8192), find_engine("0.25.0")
    one = moments(ARCH, QUANTIZATION, load("B200", tp=1, tokens=8192), engine).forward
    forward = moments(ARCH, QUANTIZATION, at, engine).forward
    assert forward.low == pytest.approx(one.low)
    assert forward.typical > one.high


def test_more_batched_tokens_leave_less_for_the_kv_cache_of_deepseek_v4():
    def left(tokens):
        memory = sizing.gpu_memory(
            ARCH, QUANTIZATION, load(tokens=tokens), find_engine("0.27.1"),
            total_bytes=140 * GIB, share_bytes=133 * GIB,
        )  # fmt: skip
        return sizing.term(memory, "kv_cache").bytes

    # The streams, outputs, queries and scores of the forward pass, the experts' workspace, and what is loaded
    each = 256 + 96 + (64 + 4.5 + 2)
    assert left(32768) - left(65536) == pytest.approx(32768 * each * KIB, rel=0.01)


def graphs(version="0.25.0", arch=ARCH, **asked):
    return graph_parts(arch, load(**asked), find_engine(version))


@pytest.mark.parametrize(
    ("length", "seqs", "logits"),
    [
        (131072, 256, 512 * MIB),  # the buffer of the profile, which graphs in pieces run with
        (1048576, 512, 512 * MIB),  # 512 tokens x 262,144 keys in fp32 are as many
        (2097152, 512, 2 * 1024 * MIB),  # and more do not fit there: in the graph and in the run before it
        (2097152, 64, 512 * MIB),
    ],
)
def test_the_first_capture_takes_the_logits_of_the_indexer(length, seqs, logits):
    assert graphs(length=length, seqs=seqs)["indexer_logits"].typical == logits


def test_an_indexer_of_all_keys_has_a_row_of_the_whole_context():
    glm = shapes()["zai-org/GLM-5"].arch
    assert graphs(arch=glm, gpu="GB200", length=819200, seqs=1024)["indexer_logits"].typical == 2 * 4 * 512 * 819200


def test_other_models_take_no_logits_in_a_capture():
    llama = shapes()["meta-llama/Llama-3.1-8B"].arch
    assert "indexer_logits" not in graphs(arch=llama)
    assert "indexer_logits" not in graphs(eager=True)


def test_graphs_of_deepseek_v4_go_with_those_in_pieces_and_whole_ones():
    per_layer = find_engine("0.25.0").graphs["cuda"].per_compressed_layer
    # 64 requests with two drafted tokens: sizes up to 384 in pieces, up to 192 whole
    assert graphs(seqs=64, drafted=2)["layers"].typical == pytest.approx(per_layer.typical * 43 * (43 + 27) / 102)


def test_what_is_never_compiled_has_no_fused_all_reduce():
    def taken(version, arch=ARCH, **asked):
        return sizing.non_torch(arch, load(**asked), find_engine(version)).typical / GIB

    llama = shapes()["meta-llama/Llama-3.1-8B"].arch
    assert taken("0.22.0") > 2
    assert taken("0.23.0") == pytest.approx(taken("0.23.0", eager=True) + 0.12)
    assert taken("0.23.0", arch=llama) > 2


def test_two_rtx_pro_6000_with_drafts_start_as_was_printed():
    # vLLM 0.25.0, published with its compose file: 75.64 GiB of weights, 1.58 estimated for graphs, 10.29 left
    memory = sizing.gpu_memory(
        ARCH, QUANTIZATION, load("RTX-PRO-6000", tokens=4096, length=1048576, seqs=64, drafted=2),
        find_engine("0.25.0"), total_bytes=find_gpu("RTX-PRO-6000").memory_bytes,
        share_bytes=round(0.95 * find_gpu("RTX-PRO-6000").memory_bytes),
    )  # fmt: skip
    found = {name: sizing.term(memory, name).bytes / GIB for name in ("cuda_graphs", "kv_cache")}
    found["beside"] = sum(sizing.term(memory, name).bytes for name in ("activation", "non_torch")) / GIB
    assert found["cuda_graphs"] == pytest.approx(1.58, abs=0.1)
    assert found["beside"] == pytest.approx(2.71, abs=0.1)


@pytest.mark.parametrize(
    ("length", "tokens", "weights", "left"),
    [
        (4096, 8192, 74.08, 32.08),
        (131072, 8192, 74.08, 32.08),
        (262144, 8192, 74.08, 32.08),
        (4096, 16384, 74.35, 29.07),
    ],
)
def test_two_h200_without_graphs_start_as_was_printed(length, tokens, weights, left):
    # vLLM 0.23.0 with enforce_eager: 139.8 GiB, of which 0.78 are asked for. The two GPUs have no NVLink between them,
    # and what they take beside PyTorch is the same with twice the tokens: 0.14 GiB
    at = load("H200-NVL", tokens=tokens, length=length, seqs=1024, eager=True)
    found = sizing.activation(ARCH, QUANTIZATION, at, find_engine("0.23.0"))
    measured = 0.78 * 139.8 - weights - left - 0.14
    assert found.typical / GIB == pytest.approx(measured, abs=0.05)
    assert found.low / GIB < measured < found.high / GIB
    memory = sizing.gpu_memory(
        ARCH, QUANTIZATION, at, find_engine("0.23.0"),
        total_bytes=round(139.8 * GIB), share_bytes=round(0.78 * 139.8 * GIB),
    )  # fmt: skip
    kv = sizing.term(memory, "kv_cache")
    assert sizing.term(memory, "weights").bytes / GIB == pytest.approx(weights, abs=0.1)
    assert kv.low_bytes / GIB < left < kv.high_bytes / GIB
