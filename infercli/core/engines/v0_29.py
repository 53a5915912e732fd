"""vLLM 0.29.0, as Ray 2.60.0 pins it.

The one thing to know: its default model runner (V2) keeps a token-count table of 4 B x max_num_seqs x vocabulary on the
GPU and profiles the sampler without fp32 logits, so its activation peak is not that of 0.17 to 0.19, whose logs are the
last with a measured formula. The low and typical figures below are read in its source, the high ones are the older,
measured formula on top of the table: a plan fits only where it fits with the high ones.
"""

from __future__ import annotations

from infercli.core.engines.facts import Band, DeviceDefaults, EngineFacts, MemoryCoefficients
from infercli.core.gpus import Gpu
from infercli.core.units import GIB, MIB

# 0.17 to 0.19 (V1 model runner), fitted on 47 configurations of 18 architectures on H100: the typical values reproduce
# the printed activation peak to 0.02 GiB on average, 0.16 at worst. Believed, not shown, away from max_num_seqs 1024,
# 8192 batched tokens and 132 multiprocessors.
V1_RUNNER = MemoryCoefficients(
    sampler_state_per_logit=0,
    sampler_peak_per_logit=Band(low=14, typical=14, high=16),  # high: the 16 B rule of the wider set of logs
    sampler_peak_per_vocab_entry=Band(low=4 * 132, typical=4 * 132, high=4 * 160),
    sampler_peak_extra=Band(low=0.047 * GIB, typical=0.047 * GIB, high=0.16 * GIB),
    forward_peak_extra=16 * MIB,
    forward_peak_factor=Band(low=0.85, typical=1, high=1.2),  # low: int8 runs read 0.16 to 0.30 GiB below the form
    non_torch_single=Band(low=0.02 * GIB, typical=0.25 * GIB, high=0.61 * GIB),
    non_torch_parallel=Band(low=0.6 * GIB, typical=2.1 * GIB, high=2.6 * GIB),
    non_torch_parallel_older=Band(low=0.05 * GIB, typical=0.3 * GIB, high=1.5 * GIB),
    graph_per_layer=Band(low=8 * MIB, typical=24 * MIB, high=40 * MIB),
    graph_base=Band(low=0, typical=0, high=0.1 * GIB),
    unprofiled_per_logit=0,  # its profile runs top-k and top-p
    outside_single=0.6 * GIB,
    outside_parallel=1.6 * GIB,
    weights_slack_fraction=0.015,
    source="start-up logs of vLLM 0.17 to 0.19 on H100 (llm-d-planner accuracy results) and 257 public logs",
    applies_to="0.17 to 0.19",
)

_V2_RUNNER = MemoryCoefficients(
    # v1/worker/gpu/sample/penalties.py: output_bin_counts int32 [seqs, vocab], prompt_bin_mask one bit per entry
    sampler_state_per_logit=4 + 1 / 8,
    # v1/worker/gpu/model_runner.py _dummy_sampler_run: 16-bit logits, gathered from the ranks into a second copy
    sampler_peak_per_logit=Band(low=2, typical=4, high=14),
    sampler_peak_per_vocab_entry=Band(low=0, typical=0, high=4 * 132),
    sampler_peak_extra=Band(low=0, typical=0.047 * GIB, high=0.16 * GIB),
    forward_peak_extra=V1_RUNNER.forward_peak_extra,
    forward_peak_factor=V1_RUNNER.forward_peak_factor,
    non_torch_single=Band(low=0.02 * GIB, typical=0.25 * GIB, high=0.61 * GIB),
    non_torch_parallel=Band(low=0.6 * GIB, typical=2.1 * GIB, high=2.9 * GIB),
    # logs of 0.18 to 0.22 on pairs of T4 and fours of 24 GiB cards leave 0.1 to 0.4; the high end doubts it
    non_torch_parallel_older=Band(low=0.05 * GIB, typical=0.3 * GIB, high=1.5 * GIB),
    # 0.29 deducts an estimate of the graphs before it sizes the KV cache: 1.09 GiB for 64 layers on an RTX 3090
    # (17 MiB a layer, syv-ai/qwen38-27b-rtx3090#106); 0.19 on H100 estimated 16 to 27 MiB a layer, 41 at worst
    graph_per_layer=Band(low=8 * MIB, typical=24 * MIB, high=40 * MIB),
    graph_base=Band(low=0, typical=0, high=0.1 * GIB),
    # _dummy_sampler_run says itself that it skips top-k and top-p: an fp32 copy of the logits, and two to sort them
    unprofiled_per_logit=12,
    # 0.19 on H100: 0.5 to 0.6 GiB used before start with one GPU, 1.53 to 1.55 with two and four
    outside_single=0.6 * GIB,
    outside_parallel=1.6 * GIB,
    weights_slack_fraction=0.015,
    source="vLLM 0.29.0 source (v1/worker/gpu) for low and typical, logs of 0.17 to 0.25 for the rest",
    applies_to="0.29, extrapolated",
)

FACTS = EngineFacts(
    version="0.29.0",
    ray_version="2.60.0",
    gpu_memory_utilization=0.92,  # config/cache.py
    block_tokens=16,  # config/cache.py DEFAULT_BLOCK_SIZE; every attention backend of the taught families takes it
    cpu_block_tokens=128,  # v1/attention/backends/cpu_attn.py
    memory=_V2_RUNNER,
    full_capture_sizes=51,  # 1, 2, 4, 8 to 248 by 8, 256 to 512 by 16
    extrapolated_from="0.25",
)


def device_defaults(gpu: Gpu) -> DeviceDefaults:
    """Defaults of vLLM for a server on this GPU (engine/arg_utils.py get_batch_defaults, OPENAI_API_SERVER)."""
    if gpu.memory_bytes >= 160 * GIB:
        return DeviceDefaults(max_num_batched_tokens=16384, max_num_seqs=1024)
    if gpu.memory_bytes >= 70 * GIB and "a100" not in gpu.name.lower():
        return DeviceDefaults(max_num_batched_tokens=8192, max_num_seqs=1024)
    return DeviceDefaults(max_num_batched_tokens=2048, max_num_seqs=256)


def capture_sizes(max_num_seqs: int) -> int:
    """Number of CUDA graph sizes: up to twice max_num_seqs, at most 512 (config/vllm.py _set_cudagraph_sizes)."""
    largest = min(2 * max_num_seqs, 512)
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, 513, 16)]
    return sum(size <= largest for size in sizes)
