"""vLLM 0.4 to 0.33 as rows. A version without a row takes the nearest row before it and says so.

The one thing to know: rows begin where the arithmetic or a default changed, as read in the released sources (wheels of
0.4.0 to 0.6.5, 0.7.3, 0.8.0 to 0.9.2, 0.10.2, 0.11.0 to 0.11.2 and each later minor version). Bands of non-torch
memory and of CUDA graphs are measured: public start-up logs, and runs of 0.15 to 0.19 on H100 (llm-d-planner's accuracy
results). They end near 0.26; what is later is extrapolated. Bytes are given in GiB here.
"""

from __future__ import annotations

from infercli.core.engines.facts import NOTHING, Band, EngineFacts, Graphs, NonTorch
from infercli.core.units import GIB, MIB


def _gib(low: float, typical: float, high: float) -> Band:
    return Band(low=low * GIB, typical=typical * GIB, high=high * GIB)


# Non-torch memory. n counts the records that print it, or that leave it when everything else is subtracted.

_XPU = {1: _gib(0.1, 0.7, 1.6), 2: _gib(0.3, 1.0, 2.0), 4: _gib(0.8, 1.45, 2.5), 8: _gib(1.0, 2.0, 4.0)}
_XPU_SOURCE = (
    "any version: 0.42 GiB on a Max 1550 tile (0.10), 1.5 and 1.03 on a B60 (0.28 and 0.29), 0.19 on a B70 (0.26), "
    "1.43 to 1.46 with four B70 (intel/llm-scaler#703); n=6; two and eight by bounds"
)

_WITH_CONTEXT = NonTorch(
    single=_gib(0.1, 0.75, 1.8),
    single_hopper=_gib(0.5, 1.79, 2.2),
    single_blackwell=_gib(0.5, 1.79, 2.2),
    linked={2: _gib(1.5, 3.58, 4.0), 4: _gib(2.0, 4.5, 6.0), 8: _gib(3.0, 6.5, 7.7)},
    plain={2: _gib(0.2, 2.6, 3.6), 4: _gib(0.1, 2.0, 4.5), 8: _gib(0.2, 3.0, 7.7)},
    rocm={1: _gib(0.25, 1.0, 2.0), 2: _gib(0.5, 2.0, 4.0), 4: _gib(0.5, 3.0, 6.0), 8: _gib(1.0, 5.0, 8.0)},
    xpu=_XPU,
    xpu_source=_XPU_SOURCE,
    unified=_gib(0.5, 2.0, 6.0),
    source="until 0.6.3 what PyTorch reserves is counted and not what it allocates, in 0.6.4 the context, "
    "in all of them NCCL: 1.79 and 3.58 GiB with 1 and 2 H100 "
    "(vllm-project/vllm#10511), 5.2 to 7.7 with 8 (n=4); 0.7 and 1.7 (bitsandbytes) on T4, 0.85 on A10G, "
    "2.7 on two V100 (n=4); other GPUs by bounds",
)
_V0 = NonTorch(
    single=_gib(0.02, 0.05, 0.25),
    single_hopper=_gib(0.07, 0.15, 0.25),
    single_blackwell=_gib(0.05, 0.2, 0.6),
    linked={2: _gib(0.3, 0.54, 1.0), 4: _gib(0.4, 0.75, 1.5), 8: _gib(0.6, 1.9, 2.7)},
    plain={2: _gib(0.05, 0.25, 0.5), 4: _gib(0.05, 0.4, 0.8), 8: _gib(0.05, 0.2, 1.0)},
    rocm={1: _gib(0.2, 0.45, 1.4), 2: _gib(0.2, 1.0, 3.0), 4: _gib(0.4, 1.6, 4.0), 8: _gib(1.0, 4.0, 5.3)},
    xpu=_XPU,
    xpu_source=_XPU_SOURCE,
    unified=_gib(0.3, 1.0, 4.0),
    source="V0 logs of 0.6.5 to 0.9 print 0.03 to 0.09 GiB with one GPU, 0.22 on H200, 0.25 and 0.66 on AMD, "
    "0.11 to 0.40 with two to eight (n=19)",
)
_V1 = _V0._replace(
    single=_gib(0.01, 0.06, 0.2),
    single_hopper=_gib(0.05, 0.13, 0.25),
    plain={2: _gib(0.03, 0.15, 0.5), 4: _gib(0.05, 0.2, 0.8), 8: _gib(0.05, 0.3, 1.0)},
    rocm={1: _gib(0.3, 2.0, 3.2), 2: _gib(0.3, 2.0, 3.2), 4: _gib(0.5, 2.0, 3.5), 8: _gib(1.5, 4.0, 5.5)},
    unified=_gib(0.3, 2.0, 4.0),
    source="GB10 1.0 to 2.7 (n=4); "
    "logs of 0.8 to 0.16: 0.02 to 0.14 GiB with one GPU (n=31), 0.55 with two H100 and 2.3 with eight (n=4), "
    "0.1 to 0.2 with two A100; ROCm by its attention backend: R9700 with 0.11 1.0 to 3.0 (n=4), MI300X 1.2 to 1.4",
)
_V1_ROCM = _V1._replace(
    linked=_V1.linked | {8: _gib(0.3, 1.0, 2.7)},
    rocm={1: _gib(0.3, 0.6, 3.2), 2: _gib(0.3, 0.6, 3.2), 4: _gib(0.5, 1.6, 3.5), 8: _gib(1.5, 4.0, 5.5)},
    source=f"{_V1.source}; about 1.0 with eight H100 (0.15, n=1); with 0.13 R9700 0.4 to 0.5 (n=4), "
    "RX 9070 XT 0.7 with 0.14 (n=1)",
)
_FUSED = _V1_ROCM._replace(
    linked={2: _gib(1.9, 2.035, 2.6), 4: _gib(1.9, 2.065, 2.7), 8: _gib(1.0, 2.3, 4.0)},
    linked_eager=_V1_ROCM.linked | {2: _gib(0.1, 0.54, 1.0), 4: _gib(0.1, 0.75, 1.5)},
    linked_blackwell={2: _gib(0.6, 1.05, 2.6), 4: _gib(0.6, 0.95, 2.7), 8: _gib(0.6, 1.2, 4.0)},
    linked_per_hidden=4.5 * 1024,
    odd_vocab=_gib(0.1, 0.21, 0.25),
    source="0.17 brings the fused all-reduce: 2.06 to 2.11 GiB with two H100, 2.13 to 2.21 with four, growing with "
    "hidden width and ranks (n=16, error 0.02); 1.9 to 4.0 with eight (H200, B200); at most 1.0 with eight H200 and "
    "enforce_eager (n=3), 0.14 with two H200 NVL that no bridge joins (n=9); 0.95 with four GB200 (n=1)",
)
_GRAPH_PROFILE = _FUSED._replace(
    linked_uncompiled={2: _gib(0.1, 0.66, 1.5), 4: _gib(0.1, 0.87, 2.0), 8: _gib(0.3, 1.12, 3.2)},
    single=_gib(0.02, 0.22, 0.5),
    single_hopper=_gib(0.2, 0.248, 0.3),
    single_blackwell=_gib(0.1, 0.4, 0.65),
    plain={2: _gib(0.03, 0.2, 0.5), 4: _gib(0.05, 0.3, 0.9), 8: _gib(0.1, 2.0, 3.5)},
    unified=_gib(0.3, 3.4, 6.0),
    unified_moved=_gib(0, 0, 28),
    source="0.18 profiles CUDA graphs and leaves 0.12 GiB behind: 0.24 to 0.26 GiB with one H100, 0.46 where the "
    "vocabulary is odd (n=24, error 0.01); A100 0.1 to 0.46 (n=3), two T4 0.05 to 0.2 (n=3), eight RTX PRO 6000 about "
    "2.5 (n=1), GB10 2.2 to 5 (n=8), and 8 to 36 in four starts that no rule explains (31.6 too much in one: "
    "eugr/spark-vllm-docker#286); what is never compiled has no fused all-reduce, read and not measured: as with "
    "enforce_eager and 0.12 more",
)
_V2_RUNNER = _GRAPH_PROFILE._replace(
    single=_gib(0.02, 0.25, 0.61),
    single_hopper=_gib(0.02, 0.25, 0.61),
    single_blackwell=_gib(0.02, 0.4, 0.8),
    linked={2: _gib(0.6, 2.1, 2.9), 4: _gib(0.6, 2.1, 2.9), 8: _gib(1.0, 2.4, 4.2)},
    linked_per_hidden=0,
    plain={2: _gib(0.05, 0.3, 1.5), 4: _gib(0.05, 0.3, 1.5), 8: _gib(0.1, 2.0, 3.5)},
    odd_vocab=NOTHING,
    source=f"no logs of its own: {_GRAPH_PROFILE.source}; wider on both sides",
)

# CUDA graphs. Until 0.19 what the capture takes, outside the budget; from 0.20 the estimate that is deducted from it.

_GRAPHS_V0 = {
    "cuda": Graphs(base=_gib(0.03, 0.42, 0.8), per_layer=NOTHING, source="19 V0 logs: 0.03 / 0.42 / 0.76 GiB"),
    "hopper": Graphs(base=_gib(0.1, 0.3, 0.9), per_layer=NOTHING, source="19 V0 logs: 0.03 / 0.42 / 0.76 GiB"),
    "rocm": Graphs(base=_gib(0.1, 0.43, 1.5), per_layer=NOTHING, source="V0 logs on MI300X: 0.43 GiB"),
    "cdna": Graphs(base=_gib(0.1, 0.43, 1.5), per_layer=NOTHING, source="V0 logs on MI300X: 0.43 GiB"),
}
_GRAPHS_V1 = {
    "cuda": Graphs(
        base=_gib(-0.3, 0.15, 1.0), per_layer=Band(low=4 * MIB, typical=14 * MIB, high=38 * MIB),
        source="logs of 0.8 to 0.19: 11 to 40 MiB a layer where all sizes are captured, 64 to 91 at worst (n=30); "
        "below 0: memory was freed",
    ),
    "hopper": Graphs(
        base=_gib(-1.2, 0.3, 2.6), per_layer=NOTHING, source="logs of 0.8 to 0.16: median 0.12 (H100), -0.04 (H200)"
    ),
    "rocm": Graphs(base=_gib(0.2, 1.0, 4.1), per_layer=NOTHING, source="R9700 logs: 0.22 / 1.04 / 1.74 GiB"),
    "cdna": Graphs(base=_gib(2.5, 5.0, 8.8), per_layer=NOTHING, source="MI300X logs: 2.57 / 4.92 / 8.77 GiB"),
}  # fmt: skip
_GRAPHS_CAPTURED = _GRAPHS_V1 | {
    "hopper": Graphs(
        base=_gib(0.0, 0.3, 0.6), per_layer=_gib(0.012, 0.0165, 0.02),
        source="0.18 and 0.19 on H100: 0.51 GiB for 8 layers to 1.85 for 80 (n=34, error 0.1)",
    ),
    "cdna": Graphs(base=_gib(4.4, 6.9, 8.5), per_layer=NOTHING, source="MI300X logs: 4.48 / 6.95 / 8.44 GiB"),
}  # fmt: skip
_ESTIMATE = Graphs(
    base=Band(low=0, typical=0, high=0.1 * GIB),
    per_layer=Band(low=8 * MIB, typical=24 * MIB, high=40 * MIB),
    per_indexed_layer=Band(low=18 * MIB, typical=27 * MIB, high=45 * MIB),
    per_compressed_layer=Band(low=24 * MIB, typical=40 * MIB, high=64 * MIB),
    source="0.19 on H100 estimated 16 to 27 MiB a layer, 41 at worst (n=38); 0.20 to 0.26 on L40S, A6000, A10G, A100, "
    "RTX 4090, 5090 and B300 13 to 27 where all graphs are counted, 23 in the middle (n=12); more by 20 MiB times the "
    "number of graphs where the second that is captured happens to need another segment of PyTorch's allocator (n=5 of "
    "45: 1.6 to 2.7 GiB); beside the indexer's logits GLM-5.2 25 on four GB200 and 29 on eight B200 (4 and -7 % off in "
    "all), DeepSeek-V4-Flash 38 on two RTX PRO 6000 (0.25) and 46 on 48 GB cards, by a fork (3 and -11 %), and 61 "
    "captured on a B300 by the V2 runner, with its drafts' (0.26; -25 %)",
)
# The V2 runner captures all graphs in pieces, and of the whole ones counts the capture without the run before it.
_ESTIMATE_V2 = _ESTIMATE._replace(
    per_layer=Band(low=12 * MIB, typical=20 * MIB, high=40 * MIB),
    source="the V2 runner took 19 to 20 MiB a layer where all graphs are counted, on RTX 3090, 4090, A10G and a 16 GB "
    "card (0.26, 0.27; 24 and 36 layers; n=4), 0.29 estimated 20 on an RTX 3090 and 0.30 14 on a T4; with an indexer: "
    f"{_ESTIMATE.source.partition('; beside ')[2]}",
)
_FREE_PAGES = _gib(-36, 0, 5.5)
"""0.20 to 0.29 on GB10 printed -35.7 (vllm-project/vllm#44740), some -31 and -12, -4.7 (eugr/spark-vllm-docker#200),
-2.4 to -0.2 (n=10), 0.2 to 2.4 (n=6) and 5.1 (eugr/spark-vllm-docker#396) where the capture took 0 to 1 GiB."""

_GRAPHS_ESTIMATED = {"cuda": _ESTIMATE, "hopper": _ESTIMATE, "rocm": _GRAPHS_V1["rocm"], "cdna": _GRAPHS_V1["cdna"]}

_GRAPHS_ESTIMATED_V2 = _GRAPHS_ESTIMATED | {"cuda": _ESTIMATE_V2, "hopper": _ESTIMATE_V2}

_OLDEST = EngineFacts(
    version="0.4.0", since="0.4.0", gpu_memory_utilization=0.9, v1_from="never", chunked_tokens=None,
    async_scheduling=False, sampler="sort", keeps_expert_workspace=False, graphs_in_budget=False, all_graph_sizes=35,
    non_torch=_WITH_CONTEXT, graphs=_GRAPHS_V0, samples_in_float32=False,
)  # fmt: skip


_QWEN3, _LLAMA_LIKE = "Qwen3ForCausalLM", ("LlamaForCausalLM", "MistralForCausalLM")
_V2_EXPERTS = frozenset({"DeepseekV2ForCausalLM", "GraniteMoeForCausalLM", "Qwen2MoeForCausalLM"})


def _rows() -> tuple[EngineFacts, ...]:
    v053 = _OLDEST._replace(since="0.5.3", chunked_tokens=512)
    v055 = v053._replace(since="0.5.5", samples_in_float32=True)
    v065 = v055._replace(since="0.6.5", chunked_tokens=2048, non_torch=_V0)
    v080 = v065._replace(
        since="0.8.0", v1_from="capability 8.0", large_by_name=True, many_sequences=True, all_graph_sizes=67,
        non_torch=_V1._replace(rocm=_V0.rocm),
        graphs=_GRAPHS_V1, counts_context=True,
    )  # fmt: skip
    v084 = v080._replace(since="0.8.4", many_sequences=False)
    v085 = v084._replace(since="0.8.5", large_by_name=False, a100_like_h100=True)
    v090 = v085._replace(since="0.9.0", a100_like_h100=False)
    v091 = v090._replace(since="0.9.1", counts_context=False, refuses_unless_free=True)
    v0100 = v091._replace(since="0.10.0", v1_from="always", non_torch=_V1)
    v0102 = v0100._replace(since="0.10.2", minimum_capability=(7, 5), pads_videos=True)
    v0111 = v0102._replace(since="0.11.1", short_rope_first=True, all_graph_sizes=51)
    v0130 = v0111._replace(
        since="0.13.0", keeps_expert_workspace=True, non_torch=_V1_ROCM, pads_videos=False
    )  # fmt: skip
    v0140 = v0130._replace(since="0.14.0", async_scheduling=True)
    v0170 = v0140._replace(since="0.17.0", sampler="triton", non_torch=_FUSED)
    v0180 = v0170._replace(since="0.18.0", non_torch=_GRAPH_PROFILE, graphs=_GRAPHS_CAPTURED)
    v0200 = v0180._replace(
        since="0.20.0", gpu_memory_utilization=0.92, graphs_in_budget=True, graphs=_GRAPHS_ESTIMATED,
        unified_free_pages=_FREE_PAGES,
    )  # fmt: skip
    # FlashInfer allocates its own copies and leaves no kernel of Triton's behind.
    # What compiling takes. With one GPU and 2,048 tokens the peak is 1.04 to 1.2 GiB with 0.25 to 0.28 (n=3), where the
    # same server needed 0.19 when it was started again (0.27, Qwen3-8B); 3.6 with 8,192 tokens of a 32B, 2.6 and 3.0
    # in two pipeline stages (0.21, 0.27). Two and four ranks (n=3), and 0.17 to 0.19, show nothing of it.
    v0210 = v0200._replace(
        since="0.21.0", sampler="flashinfer", non_torch=_GRAPH_PROFILE._replace(odd_vocab=NOTHING),
        compiling_bytes=round(0.9 * GIB),
    )  # fmt: skip
    v0220 = v0210._replace(
        since="0.22.0",
        runner_v2="named",
        v2_models=frozenset({_QWEN3}),
        v2_unquantized=True,
        v2_copies_logits=True,
    )
    v0230 = v0220._replace(since="0.23.0", v2_models=frozenset({_QWEN3, *_LLAMA_LIKE}))
    v0240 = v0230._replace(since="0.24.0", v2_models=v0230.v2_models | _V2_EXPERTS, v2_unquantized=False)
    v0250 = v0240._replace(since="0.25.0", runner_v2="dense", v2_models=_V2_EXPERTS)
    v0260 = v0250._replace(since="0.26.0", extrapolated_from="0.25")
    v0270 = v0260._replace(since="0.27.0", counts_all_consumed=True)
    v0280 = v0270._replace(
        since="0.28.0", v2_models=_V2_EXPERTS | {"DeepseekV4ForCausalLM"}, v2_copies_logits=False, largest_from_gib=160,
        largest_graph_blackwell=1024,
    )  # fmt: skip
    v0290 = v0280._replace(
        since="0.29.0", ray_version="2.60.0", runner_v2="always", graphs_in_budget_v2=True,
        non_torch=_V2_RUNNER, graphs=_GRAPHS_ESTIMATED_V2,
    )  # fmt: skip
    found = (
        _OLDEST, v053, v055, v065, v080, v084, v085, v090, v091, v0100, v0102, v0111, v0130, v0140, v0170, v0180,
        v0200, v0210, v0220, v0230, v0240, v0250, v0260, v0270, v0280, v0290,
    )  # fmt: skip
    return tuple(row._replace(version=row.since) for row in found)


ROWS: tuple[EngineFacts, ...] = _rows()
"""Oldest first."""

NEWEST = (0, 33)
"""(major, minor) of the newest version that the newest row was compared with, in its source; later ones are refused."""
