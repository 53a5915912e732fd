"""Public starts on GPUs that share their memory (DGX Spark, Jetson AGX Thor), held against what is said of them."""

from __future__ import annotations

import pytest

from infercli.core.engines import find_engine
from infercli.core.engines.versions import ROWS
from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import find_gpu
from infercli.core.memory import sizing
from infercli.core.memory.cuda_graphs import cuda_graphs, graph_parts
from infercli.core.quantization.checkpoint import UNQUANTIZED
from infercli.core.shapes import shapes
from infercli.core.units import GIB
from tests.core.memory.batches import LLAMA, load
from tests.core.plans import LLAMA_8B, choice, plan, profile

GB10, THOR, L4 = find_gpu("GB10"), find_gpu("AGX-Thor"), find_gpu("L4")
V0_19, V0_27, V0_28, V0_29 = (find_engine(v) for v in ("0.19.0", "0.27.1", "0.28.0", "0.29.0"))
SPARK = {"gpus": 1, "count": 1}


def spark(**more):
    return profile("l4", gpu="GB10", nodes=[SPARK], price=None, quantizations=["none"], **more)


def asked(model, **more):
    found = estimate(EstimateRequest(model=model, gpu="GB10", **more), shipped_model(model))
    assert isinstance(found, Estimate)
    return found


def term(found, name):
    return next(t for t in found.memory.terms if t.name == name)


@pytest.mark.parametrize(
    ("gpu", "total", "free", "utilization"),
    [
        (GB10, 121.69, 101.3, 0.85),  # MiaAI-Lab/GLM-5.3-Flash-EXL3-2x-DGX-Sparks#47: fresh, no desktop, no page cache
        (GB10, 121.69, 104.46, 0.87),
        (GB10, 121.63, 110.73, 0.92),
        (GB10, 119.63, 109.66, 0.92),
        (GB10, 119.7, 108.44, 0.915),
        (THOR, 122.82, 110.49, 0.9),
    ],
)
def test_no_share_that_a_public_start_was_refused_is_said_to_be_free(gpu, total, free, utilization):
    assert free < utilization * total
    for facts in (V0_19, V0_28, V0_29):
        found = sizing.free_at_start(load(gpu=gpu), facts, round(total * GIB), round(utilization * total * GIB))
        assert found is None


def test_a_share_that_leaves_the_machine_a_gib_may_be_free_and_one_that_leaves_less_is_not():
    def free(share_gib):
        return sizing.free_at_start(load(gpu=GB10), V0_29, 120 * GIB, round(share_gib * GIB))

    assert [free(share_gib) for share_gib in (99.4, 99.6, 118.9, 119.1)] == [True, None, None, False]


@pytest.mark.parametrize(
    ("model", "more", "printed"),
    [
        # vLLM 0.27.1, kernels compiled before in the second
        ("Qwen/Qwen3-0.6B", {"gpu_memory_gib": 121.69, "gpu_memory_utilization": 0.6}, 69.4),
        (
            "Qwen/Qwen3.8-27B",
            {
                "gpu_memory_gib": 119.63,
                "gpu_memory_utilization": 0.92,
                "max_model_len": 32768,
                "enable_prefix_caching": False,
            },
            51.7,
        ),
    ],
)
def test_the_middle_of_the_band_is_what_quiet_starts_print(model, more, printed):
    cache = term(asked(model, engine_version="0.27.1", **more), "kv_cache")
    assert cache.bytes / GIB == pytest.approx(printed, rel=0.02)


@pytest.mark.parametrize("version", ["0.20.0", "0.23.0", "0.27.1", "0.28.0", "0.29.0"])
def test_a_cache_that_starts_13_to_31_gib_smaller_is_within_the_band(version):
    # eugr/spark-vllm-docker#286: 9.5 GiB where some 41 were left; others of 0.28 and 0.29 had 13 and 21 less
    cache = term(asked("Qwen/Qwen3-8B", engine_version=version, gpu_memory_utilization=0.8), "kv_cache")
    assert cache.low_bytes <= cache.bytes - 31 * GIB
    own = estimate(
        EstimateRequest(model="Qwen/Qwen3-8B", gpu="H100", engine_version=version), shipped_model("Qwen/Qwen3-8B")
    )
    assert isinstance(own, Estimate)
    assert term(own, "kv_cache").low_bytes > term(own, "kv_cache").bytes - 4 * GIB


def test_an_estimate_of_graphs_may_be_far_below_nothing_until_the_v2_runner():
    # vllm-project/vllm#44740: -35.69 GiB, and 72.44 GiB of KV cache in a share of 66.9
    found = asked(
        "nvidia/Qwen3.6-35B-A3B-NVFP4", engine_version="0.22.1", gpu_memory_gib=121.69, gpu_memory_utilization=0.55,
        max_model_len=131072, kv_cache_dtype="fp8", speculation={"method": "mtp", "num_speculative_tokens": 3},
    )  # fmt: skip
    assert term(found, "kv_cache").low_bytes < 72.44 * GIB < term(found, "kv_cache").high_bytes
    for facts in ROWS:
        graphs = cuda_graphs(LLAMA, load(gpu=GB10), facts)
        if not facts.graphs_in_budget:
            assert "free_pages" not in graph_parts(LLAMA, load(gpu=GB10), facts)
        elif facts.graphs_in_budget_v2:
            assert graphs.low == 0
        else:
            assert graphs.low < -30 * GIB
    assert cuda_graphs(LLAMA, load(gpu=GB10, eager=True), V0_28).low == 0
    assert "free_pages" not in graph_parts(LLAMA, load(gpu=L4), V0_28)


def test_no_page_cache_moves_an_estimate_of_graphs_that_is_not_made():
    # Until 0.28 the V2 runner deducts nothing for them (v1/worker/gpu/model_runner.py has no profile_cudagraph_memory);
    # it serves dense models since 0.25, and gpt-oss not yet.
    dense, experts = (asked(model, engine_version="0.28.0") for model in ("Qwen/Qwen3-8B", "openai/gpt-oss-120b"))
    assert not term(dense, "cuda_graphs").inside_budget
    assert term(dense, "cuda_graphs").low_bytes >= 0
    assert "page cache, by" not in " ".join(dense.notes)
    assert term(experts, "cuda_graphs").inside_budget
    assert term(experts, "cuda_graphs").low_bytes < -30 * GIB


def test_a_cache_that_is_given_its_size_is_measured_by_nobody_and_leaves_room_for_others():
    at = load(gpu=GB10)
    measured, given = (sizing.non_torch_parts(LLAMA, at, V0_28, profiled=p) for p in (True, False))
    assert ("moved_meanwhile" in measured, "moved_meanwhile" in given) == (True, False)
    assert ("held_by_others" in measured, "held_by_others" in given) == (False, True)
    assert "free_pages" not in graph_parts(LLAMA, at, V0_28, profiled=False)
    whole = {"total_bytes": 120 * GIB, "share_bytes": 96 * GIB}
    found = sizing.gpu_memory(LLAMA, UNQUANTIZED, at, V0_28, **whole, kv_cache_given=True)
    left = sizing.term(found, "kv_cache")
    assert left.low_bytes < (120 - 20.5 - 15) * GIB
    assert left.bytes - left.low_bytes < 20 * GIB  # where it is measured: 40
    assert "held_by_others" not in sizing.non_torch_parts(LLAMA, load(gpu=L4), V0_28, profiled=False)


def test_a_plan_leaves_what_others_hold_and_says_what_to_do():
    made = plan(LLAMA_8B, spark())
    assert choice(made, "gpu_memory_utilization").value == 0.83
    assert "shares its memory" in choice(made, "gpu_memory_utilization").reason
    assert made.fits is True, made.verdict
    notes = " ".join(made.notes)
    assert "drop_caches" in notes
    assert "kv_cache_memory_bytes" in notes
    less = choice(plan(LLAMA_8B, spark(reserved_gpu_memory_gib=10)), "gpu_memory_utilization")
    assert less.value == 0.74  # (121.6 - 10 - 20.5) / 121.6 = 0.749
    assert "20.5 GiB of it when vLLM looks, beside the 10 GiB of the profile" in less.reason
    high = plan(LLAMA_8B, spark(), engine_args={"gpu_memory_utilization": 0.92})
    assert high.fits is None
    assert "what the operating system and others hold may be more" in high.verdict
    assert "drop_caches" not in " ".join(plan(LLAMA_8B, "l4").notes)


def test_where_no_start_can_be_told_a_cache_of_a_given_size_is_offered():
    open_ = plan("openai/gpt-oss-120b", profile("l4", gpu="GB10", nodes=[SPARK], price=None, quantizations=["mxfp4"]))
    assert open_.fits is None
    offered = next(c.change for c in open_.changes if "kv_cache_memory_bytes" in c.change)
    size = int(offered.split(":")[1].split()[0])
    given = plan(
        "openai/gpt-oss-120b",
        profile("l4", gpu="GB10", nodes=[SPARK], price=None, quantizations=["mxfp4"]),
        engine_args={"kv_cache_memory_bytes": size},
    )
    assert given.fits is True, given.verdict
    assert "nothing is measured" in " ".join(given.notes)


def test_what_is_said_to_an_estimate_follows_from_how_it_starts():
    first = " ".join(asked("openai/gpt-oss-120b", engine_version="0.28.0").notes)
    eager = " ".join(asked("openai/gpt-oss-120b", engine_version="0.28.0", enforce_eager=True).notes)
    assert ("page cache, by -36" in first, "page cache, by -36" in eager) == (True, False)
    assert "page cache, by" not in " ".join(asked("openai/gpt-oss-120b", engine_version="0.19.0").notes)
    assert "by 0.0 GiB to 5.5 GiB" in " ".join(asked("Qwen/Qwen3-8B", engine_version="0.29.0").notes)
    assert shapes()["Qwen/Qwen3-8B"].arch.confirmed
