"""Derivations: every formula, evaluated with its own inputs, gives the number that the plan prints."""

from __future__ import annotations

import math

import pytest

from infercli.core.documents.prices import Price, PriceList
from infercli.core.engines.errors import ERRORS, errors_of
from infercli.core.estimates.learning import LearnedRun, LearnedRuns, Residual
from infercli.core.planning.derivations import explain
from infercli.core.planning.outlook import outlook
from infercli.core.planning.plan import planned
from infercli.core.units import GIB
from infercli.errors import UnknownName
from tests.core.plans import LLAMA_8B, LLAMA_70B, deployment, profile

PRICE = Price(low_usd=1, median_usd=2, high_usd=4, quotes=3, source="a test")
PRICES = PriceList.model_validate(
    {"as_of": "2026-01-01", "prices": dict.fromkeys(("L4", "L40S", "A100-SXM-80", "H100-SXM-80", "H200-SXM"), PRICE)}
)


def make(model=LLAMA_8B, on="l4", learned=None, **fields):
    return planned(
        deployment(model, **fields), profile(on) if isinstance(on, str) else on, None,
        infercli_version="0", engine_code_digest="e" * 12, front_code_digest="f" * 12, learned=learned,
    )  # fmt: skip


def derived(model=LLAMA_8B, on="l4", learned=None, **fields):
    made = make(model, on, learned, **fields)
    said = outlook(made.plan, made.question, PRICES)
    return made.plan, said, {d.name: d for d in explain(made.question, said)}


def evaluated(derivation):
    names = {"min": min, "max": max, "int": int, "round": round}
    inputs = {given.name: given.value for given in derivation.inputs}
    return eval(derivation.formula, {"__builtins__": {}}, names | inputs)


SPARK = profile("l4", gpu="GB10", nodes=[{"gpus": 1, "count": 1}], price=None, quantizations=["none"])
CASES = [
    (LLAMA_8B, SPARK, {}),
    (LLAMA_8B, SPARK, {"engine_args": {"kv_cache_memory_bytes": 8 * 2**30}}),
    (LLAMA_8B, "l4", {}),
    (LLAMA_8B, "l40s", {"engine_args": {"enforce_eager": True, "max_model_len": 9000}}),
    (LLAMA_8B, "l40s", {"engine_args": {"enable_lora": True, "max_loras": 4, "max_lora_rank": 64}}),
    (LLAMA_8B, "l4", {"engine_args": {"kv_cache_memory_bytes": 3 * 2**30}}),
    (LLAMA_8B, "l40s", {"engine_args": {"kv_cache_dtype": "fp8"}}),  # by FlashInfer
    (LLAMA_70B, "h100-x2", {"quantization": "fp8"}),
    (LLAMA_70B, "a100-80", {"quantization": "none"}),  # does not fit
    ("Qwen/Qwen3-32B", "l40s", {"quantization": "fp8-online", "workload": {"concurrency": 8}}),
    ("Qwen/Qwen3-235B-A22B-FP8", "h100-x8", {"engine_args": {"enable_expert_parallel": True}}),
    ("deepseek-ai/DeepSeek-V3.2", "h200-x8", {}),
    ("openai/gpt-oss-20b", "h100", {"quantization": "mxfp4"}),
    ("Qwen/Qwen3.5-35B-A3B", "h100-x8", {"replicas": 2}),
    ("google/gemma-4-26B-A4B-it", "h100", {}),
    ("Qwen/Qwen3-VL-4B-Instruct", "l40s", {}),
]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("model", "on", "fields"), CASES)
def test_every_derivation_adds_up_to_what_the_plan_says(model, on, fields, own):
    plan, said, found = derived(model, on, runs_like(make(model, on, **fields)) if own else None, **fields)
    for derivation in found.values():
        if derivation.formula:
            assert evaluated(derivation) == pytest.approx(derivation.value, rel=1e-12), derivation.name
        assert derivation.low <= derivation.high
        assert derivation.source
        assert all(given.source for given in derivation.inputs)
    terms = {t.name: t for t in plan.memory.terms}
    for name, term in terms.items():
        assert found[f"{name}_bytes"].value == term.bytes
        assert (found[f"{name}_bytes"].low, found[f"{name}_bytes"].high) == (term.low_bytes, term.high_bytes)
    assert found["budget_bytes"].value == plan.memory.budget_bytes
    assert found["kv_cache_blocks"].value == plan.kv_cache.blocks
    assert found["kv_cache_tokens"].value == plan.kv_cache.tokens
    assert found["concurrency"].value == plan.kv_cache.concurrency
    assert max(0, found["needed_bytes"].value - terms["kv_cache"].low_bytes) == plan.missing_bytes
    if said.speed is not None:
        assert found["output_tok_per_s"].value == pytest.approx(said.speed.output_tok_per_s.value, rel=1e-12)
        assert found["ttft_s"].value == said.speed.ttft_s.value
    assert (said.speed is None) == (plan.fits is False)


def test_an_input_that_is_derived_itself_has_the_value_that_was_derived():
    _, _, found = derived(LLAMA_70B, "h100-x2", quantization="fp8")
    checked = 0
    for derivation in found.values():
        for given in derivation.inputs:
            if given.name in found:
                assert given.value == found[given.name].value
                checked += 1
    assert checked >= 9  # five of kv_cache_bytes, blocks twice, rate, price, tokens


def test_what_was_measured_stands_beside_its_term():
    _, _, found = derived()
    for term in ("weights", "activation", "non_torch", "cuda_graphs", "kv_cache"):
        assert [e.count for e in found[f"{term}_bytes"].errors] == [e.count for e in errors_of(term)]
    assert found["output_tok_per_s"].errors[0].median_fraction is not None
    assert found["budget_bytes"].errors == ()


def test_a_number_that_there_is_not_is_offered_the_nearest():
    from infercli.core.derivation import find

    made = make()
    with pytest.raises(UnknownName) as refused:
        find(explain(made.question, None), "kv_cache")
    assert "kv_cache_bytes" in refused.value.nearest


def test_the_errors_are_those_of_both_sets_of_logs():
    assert {e.term for e in ERRORS} == {
        "weights", "activation", "non_torch", "cuda_graphs", "kv_cache", "max_concurrency",
    }  # fmt: skip
    assert all(len(errors_of(e.term)) == 2 for e in ERRORS)


# What is expected beside the plan.


@pytest.mark.parametrize(
    ("model", "on", "fields", "more"),
    [
        (LLAMA_8B, "l4", {}, set()),
        # FP8 multiplies at twice the rate on an L4 and not at all on an A100, where Marlin widens it.
        (LLAMA_8B, "l4", {"quantization": "fp8"}, {"peak_native"}),
        (LLAMA_8B, "a100-80", {"quantization": "fp8"}, {"widened_fraction"}),
        (LLAMA_70B, "h100-x2", {"quantization": "awq", "engine_args": {"tensor_parallel_size": 2}},
         {"reduction_s", "link_bandwidth", "link_fraction"}),
        ("Qwen/Qwen3-30B-A3B", "h100", {"quantization": "fp8"},
         {"peak_native", "experts_bandwidth_fraction", "experts_matmul_fraction"}),
        ("Qwen/Qwen3-30B-A3B", "h100", {"quantization": "awq"},
         {"peak_widened", "experts_bandwidth_fraction", "experts_half_matmul_fraction"}),
        ("Qwen/Qwen3-4B", profile("l4", gpu="T4"), {}, {"early_fraction"}),
        (LLAMA_8B, profile("l4", gpu="MI300X"), {}, {"cdna3_fraction"}),
    ],
)  # fmt: skip
def test_speed_names_the_peaks_and_constants_of_that_model_on_that_gpu(model, on, fields, more):
    _, _, found = derived(model, on, **fields)
    always = {
        "decode_step_s", "prefill_step_s", "memory_bandwidth", "bandwidth_fraction", "kv_bandwidth_fraction",
        "peak_16_bit", "matmul_fraction", "attention_fraction", "kernel_s",
    }  # fmt: skip
    assert {given.name for given in found["tpot_s"].inputs} == always | more
    assert {given.name for given in found["ttft_s"].inputs} == always | more | {"request_s", "tokenize_s"}
    peaks = {given.name: given.value for given in found["tpot_s"].inputs if given.name.startswith("peak_")}
    assert peaks.get("peak_widened", 0) < peaks["peak_16_bit"] < peaks.get("peak_native", float("inf"))


def test_a_prompt_that_is_partly_cached_is_attended_to_whole():
    def prefill_s(tokens, cached):
        made = make(workload={"input_tokens": tokens, "concurrency": 1})
        found = {d.name: d for d in explain(made.question, outlook(made.plan, made.question, PRICES, cached))}
        return next(given.value for given in found["ttft_s"].inputs if given.name == "prefill_step_s")

    # A chunk of 2,048 tokens begins behind 4,000 that are there already.
    assert prefill_s(8000, 0.5) > 1.01 * prefill_s(4000, 0.0)


def test_price_and_price_of_tokens_are_those_of_all_replicas():
    plan, said, _ = derived(LLAMA_8B, "l4", quantization="awq", replicas=1)
    # one GPU at 1, 2 and 4 dollars
    assert (said.cost.usd_per_h.low, said.cost.usd_per_h.value, said.cost.usd_per_h.high) == (1, 2, 4)
    rate = said.speed.output_tok_per_s
    assert said.cost.usd_per_million_output_tokens.value == pytest.approx(2 / 3600 / rate.value * 1e6)
    assert said.cost.usd_per_million_output_tokens.high == pytest.approx(4 / 3600 / rate.low * 1e6)
    assert plan.model_dump_json().find("usd") == -1


def test_a_profile_without_a_price_is_said_to_have_none():
    made = planned(
        deployment(), profile("l4", price=None), None,
        infercli_version="0", engine_code_digest="e" * 12, front_code_digest="f" * 12,
    )  # fmt: skip
    said = outlook(made.plan, made.question, PRICES)
    assert said.cost is None
    assert any("what it costs is not known" in n for n in said.notes)


def test_no_speed_is_said_with_arguments_that_are_not_planned():
    _, said, found = derived(on="h100", engine_args={"cpu_offload_gb": 10, "enable_dbo": True})
    assert said.speed is None
    assert "no speed: cpu_offload_gb, enable_dbo change it in a way that is not planned yet" in said.notes
    assert "ttft_s" not in found


def test_objectives_are_kept_not_kept_or_open():
    easy, hard = {"ttft_p95_ms": 1e6, "tpot_p95_ms": 1e6}, {"ttft_p95_ms": 1, "tpot_p95_ms": 1}
    assert [o.kept for o in derived(objectives=easy)[1].objectives] == [True, True]
    assert [o.kept for o in derived(objectives=hard)[1].objectives] == [False, False]
    expected = derived()[1].speed.ttft_p95_s.value
    (found,) = derived(objectives={"ttft_p95_ms": 1000 * expected})[1].objectives
    assert (found.name, found.kept) == ("ttft_p95", None)


# What own runs printed.


def run(digest, residuals, made=None, **kind):
    """A run of the plan's kind, or of another; residuals by term, in GiB."""
    if made is not None:
        q = made.question
        kind = {
            "architecture": q.arch.architecture, "gpu": q.gpu.name, "quantization": q.settings.quantization,
            "tensor_parallel_size": q.settings.tensor_parallel_size,
        } | kind  # fmt: skip
    return LearnedRun(
        digest=digest, source=f"{digest}.log", model=LLAMA_8B, engine_version="0.29.1", **kind,
        residuals=tuple(
            Residual(term=term, predicted_bytes=0, printed_bytes=round(off * GIB)) for term, off in residuals.items()
        ),
    )  # fmt: skip


def runs_like(made):
    """Two runs of its kind that printed something of every term."""
    offs = {"weights": 0.3, "activation": -0.1, "non_torch": 0.2, "cuda_graphs": 0.1, "kv_cache": -1.0}
    other = {name: 0.5 * off for name, off in offs.items()}
    return LearnedRuns(runs=(run("a", offs, made), run("b", other, made)))


def learned(off_gib, **kind):
    asked = make(LLAMA_8B, "l4", quantization="awq")
    return LearnedRuns(runs=tuple(run(str(n), {"kv_cache": off}, asked, **kind) for n, off in enumerate(off_gib)))


def kv(plan):
    return next(t for t in plan.memory.terms if t.name == "kv_cache")


@pytest.mark.parametrize(("offs", "spread"), [([-0.5, -1.5, -1.0], 0.5), ([-6.0, 4.0], 7.07), ([0.5], 0)])
def test_a_plan_is_moved_by_what_runs_of_its_kind_printed(offs, spread):
    before, *_ = derived(LLAMA_8B, "l4", quantization="awq")
    plan, _, found = derived(LLAMA_8B, "l4", learned(offs), quantization="awq")
    mean, was, left = sum(offs) / len(offs), kv(before), kv(plan)
    assert left.bytes - was.bytes == pytest.approx(mean * GIB, abs=2)
    ends = ((left.low_bytes, was.low_bytes, -spread), (left.high_bytes, was.high_bytes, spread))
    for end, old, apart in ends:  # a band is as wide as it was, or as the runs lie apart
        wide = max(abs(old - was.bytes), abs(apart) * GIB)
        assert abs(end - left.bytes) == pytest.approx(wide, rel=2e-3)
    assert sum(t.bytes for t in plan.memory.terms if t.inside_budget) == plan.memory.budget_bytes
    assert found["learned_bytes"].value == -(left.bytes - was.bytes)
    assert (plan.kv_cache.tokens < before.kv_cache.tokens) is (left.low_bytes < was.low_bytes)
    assert plan.verdict != before.verdict
    (note,) = (n for n in plan.notes if "your runs" in n)
    apart = f" +- {spread:.2f}" if len(offs) > 1 else ""
    said = f"kv_cache: predicted {left.bytes / GIB:.2f} GiB{apart} from {len(offs)} of your runs"
    assert note == f"{said}, {was.bytes / GIB:.2f} GiB without them"


def test_runs_of_another_kind_move_nothing():
    before = derived(LLAMA_8B, "l4", quantization="awq")[0]
    for other in (learned([1], gpu="L40S"), learned([1], tensor_parallel_size=2), LearnedRuns(), None):
        assert derived(LLAMA_8B, "l4", other, quantization="awq")[0] == before


def test_no_term_becomes_negative_and_one_that_there_is_none_of_is_not_moved():
    eager = {"quantization": "awq", "engine_args": {"enforce_eager": True}}
    made = make(LLAMA_8B, "l4", **eager)
    off = {"cuda_graphs": 1.0, "activation": -50.0}
    plan, *_ = derived(LLAMA_8B, "l4", LearnedRuns(runs=(run("a", off, made),)), **eager)
    terms = {t.name: t for t in plan.memory.terms}
    assert terms["cuda_graphs"].bytes == terms["cuda_graphs"].high_bytes == 0
    assert terms["activation"].bytes == terms["activation"].low_bytes == 0 <= terms["activation"].high_bytes
    assert sum(t.bytes for t in plan.memory.terms if t.inside_budget) == plan.memory.budget_bytes


def test_runs_that_leave_less_than_is_needed_change_the_verdict():
    assert make(LLAMA_8B, "l4", quantization="awq").plan.fits is True
    assert make(LLAMA_8B, "l4", learned([-20]), quantization="awq").plan.fits is False


def test_a_plan_that_does_not_fit_has_a_price_and_no_speed():
    plan, said, found = derived(LLAMA_70B, "a100-80", quantization="none")
    assert plan.fits is False
    assert said.speed is None
    assert said.cost.usd_per_million_output_tokens is None
    assert "ttft_s" not in found
    assert math.isclose(found["usd_per_h"].value, 2)
