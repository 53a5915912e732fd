"""What an estimate says of speed: intervals within what can be, and why requests wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.estimates.answer import Estimate, EstimatedSpeed
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import read_draft, shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import find_gpu

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def found(gpu: str = "L4", version: str = "0.29.0", model: str = LLAMA, **workload) -> EstimatedSpeed:
    asked = {
        "model": model, "gpu": gpu, "max_model_len": 8192, "engine_version": version, "max_num_seqs": 64,
        "workload": {"input_len": 1000, "output_len": 300} | workload,
    }  # fmt: skip
    answer = estimate(EstimateRequest.model_validate(asked), shipped_model(model))
    assert isinstance(answer, Estimate), answer
    assert answer.speed is not None
    return answer.speed


def test_no_interval_reaches_below_what_the_datasheet_allows():
    speed, gpu = found(concurrency=1), find_gpu("L4")
    read_s = (8.03e9 - 128256 * 4096) * 2 / gpu.memory_bandwidth_bytes_per_s
    assert speed.tpot_s is not None
    assert read_s <= speed.tpot_s.low < speed.tpot_s.value
    assert 1000 * 2 * 6.9e9 / gpu.peak_flops["fp16"] <= speed.ttft_s.low < speed.ttft_s.value


@given(
    st.sampled_from(["L4", "A100-80-SXM", "H100", "MI300X", "GB10"]), st.sampled_from(["0.7.3", "0.11.0", "0.29.0"]),
    st.sampled_from([{"concurrency": 1}, {"concurrency": 40}, {"request_rate": 0.5}, {"request_rate": 30.0},
                     {"num_prompts": 200}, {"request_rate": 3.0, "num_prompts": 50}]),
    st.sampled_from([0.0, 0.5, 0.95]),
)  # fmt: skip
@settings(max_examples=30)
def test_every_value_lies_in_its_interval(gpu, version, load, hits):
    speed = found(gpu, version, prefix_hit_fraction=hits, **load)
    for name, interval in speed:
        if name not in ("notes", "roofline_requests_per_s") and interval is not None:
            assert 0 < interval.low <= interval.value <= interval.high, name


def test_what_drafts_costs_time_by_its_size_and_nobody_measured_it():
    def asked(**speculation) -> EstimatedSpeed:
        said = EstimateRequest.model_validate({
            "model": "Qwen/Qwen3-32B", "gpu": "H200", "max_model_len": 8192, "engine_version": "0.19.0",
            "workload": {"input_len": 1000, "output_len": 300, "concurrency": 4},
            "speculation": {"num_speculative_tokens": 3, "acceptance_fraction": 0.6} | speculation,
        })  # fmt: skip
        model = shipped_model("Qwen/Qwen3-32B")
        draft = None if said.speculation is None else read_draft(said.speculation, model, None)
        answer = estimate(said, model, draft)
        assert isinstance(answer, Estimate), answer
        assert answer.speed is not None
        return answer.speed

    searched = asked(method="ngram")
    small, large = (asked(method="draft_model", model=f"Qwen/Qwen3-{size}") for size in ("0.6B", "8B"))
    for quicker, slower in ((searched, small), (small, large)):
        assert quicker.output_tok_per_s.value > 1.05 * slower.output_tok_per_s.value
        assert quicker.tpot_s is not None
        assert slower.tpot_s is not None
        assert quicker.tpot_s.value < slower.tpot_s.value
    assert any("no public measurement of speculation" in note for note in searched.notes)


def test_who_does_not_say_that_lengths_differ_may_have_clients_in_step():
    crowd = {"input_len": 1000, "output_len": 1000, "concurrency": 60}
    unsaid, in_step, apart = (
        found("H100", **crowd, **spread)
        for spread in ({}, {"length_spread_fraction": 0.0}, {"length_spread_fraction": 0.05})
    )
    for name in ("ttft_s", "ttft_mean_s", "ttft_p95_s", "ttft_p99_s"):
        assert getattr(unsaid, name).high >= getattr(in_step, name).value, name
    assert apart.ttft_s.high < in_step.ttft_s.value
    alone = found("H100", **crowd | {"concurrency": 1})
    noted = [any("lengths are taken to differ" in note for note in s.notes) for s in (unsaid, in_step, apart, alone)]
    assert noted == [True, False, False, False]


def test_the_engine_that_runs_decides_and_not_its_version():
    def told(gpu: str, version: str, **chosen) -> EstimatedSpeed:
        asked = EstimateRequest.model_validate({
            "model": "meta-llama/Llama-3.2-1B-Instruct", "gpu": gpu, "max_model_len": 4096, "engine_version": version,
            "workload": {"input_len": 500, "output_len": 200, "concurrency": 32}, **chosen,
        })  # fmt: skip
        answer = estimate(asked, shipped_model(asked.model))
        assert isinstance(answer, Estimate), answer
        assert answer.speed is not None
        return answer.speed

    first, second = told("L4", "0.8.5", use_v1=False), told("L4", "0.8.5", use_v1=True)
    older, newer = told("L4", "0.7.3"), told("L4", "0.8.5")
    assert newer.tpot_s == second.tpot_s
    assert first.tpot_s.value > 1.2 * second.tpot_s.value
    assert first.tpot_s.value == pytest.approx(older.tpot_s.value, rel=0.05)
    assert told("T4", "0.8.5").tpot_s == told("T4", "0.8.5", use_v1=False).tpot_s


def test_small_models_decode_faster_since_graphs_hold_attention():
    def between_s(version: str, model: str) -> float:
        return found("H100", version, model, concurrency=1, output_len=1000).tpot_s.value

    small, large = "Qwen/Qwen3-4B", "Qwen/Qwen3-32B"
    assert between_s("0.10.2", small) > 1.2 * between_s("0.11.0", small)
    assert between_s("0.10.2", large) == pytest.approx(between_s("0.11.0", large), rel=0.1)


def test_no_more_is_answered_than_arrives_and_no_less_where_it_is_carried():
    speed = found("H100", request_rate=2.0)
    assert speed.output_tok_per_s.low == speed.output_tok_per_s.value == speed.output_tok_per_s.high == 600.0
    near = found("H100", request_rate=14.0)
    assert near.requests_per_s.low < near.requests_per_s.value == near.requests_per_s.high == 14.0


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"request_rate": 50.0}, "50 requests/s arrive and "),
        ({"concurrency": 100}, "max_num_seqs lets about 64 of 100 requests run at once"),
        ({"concurrency": 60, "input_len": 7000}, "the KV cache lets about "),
        ({"concurrency": 4}, None),
        ({"request_rate": 0.5}, None),
        ({"request_rate": 0.5, "num_prompts": 1}, None),
    ],
)
def test_it_says_that_requests_wait_and_why(load, words):
    notes = found("H100" if load.get("concurrency") == 100 else "L4", **load).notes
    said = [n for n in notes if "arrive" in n or "at once" in n]
    assert bool(said) is (words is not None)
    assert words is None or words in said[0]


def test_ranks_beyond_a_node_and_what_time_leaves_out_are_said():
    def notes(**cut) -> str:
        asked = EstimateRequest.model_validate({
            "model": "meta-llama/Llama-3.1-405B-Instruct", "gpu": "A100", "max_model_len": 8192, **cut,
            "workload": {"input_len": 1000, "output_len": 300, "concurrency": 8},
        })  # fmt: skip
        answer = estimate(asked, shipped_model("meta-llama/Llama-3.1-405B-Instruct"))
        assert isinstance(answer, Estimate), answer
        return "\n".join(answer.notes)

    spans = notes(tensor_parallel_size=16)
    assert "16 ranks are taken to span nodes of 8 GPUs" in spans
    assert "A100 is taken for A100-80-SXM" in spans
    one = notes(tensor_parallel_size=8, pipeline_parallel_size=2)
    assert "ranks are taken" not in one


def test_ranks_over_pcie_are_as_fast_as_their_slots_and_it_says_which_it_took():
    def pair(gpu: str, tp: int, **slot) -> Estimate:
        asked = EstimateRequest.model_validate({
            "model": LLAMA, "gpu": gpu, "max_model_len": 16384, "tensor_parallel_size": tp, **slot,
            "workload": {"input_len": 8000, "output_len": 300, "concurrency": 1},
        })  # fmt: skip
        answer = estimate(asked, shipped_model(LLAMA))
        assert isinstance(answer, Estimate), answer
        return answer

    taken, half = pair("RTX-3090", 4), pair("RTX-3090", 4, pcie_gb_per_s=16)
    assert any(
        "over PCIe at 32 GB/s each way: where a slot has less, `infercli estimate --pcie-gb-per-s`" in n
        for n in taken.speed.notes
    )
    assert not any("PCIe" in n for n in half.speed.notes)
    # 64 all-reduces of 4,096 values in 16 bits for each of 8,000 tokens, at a fifth of what a slot carries.
    more_s = 64 * 8000 * 4096 * 2 * 1.5 / 0.2 * (1 / 16e9 - 1 / 32e9)
    assert half.speed.ttft_s.value - taken.speed.ttft_s.value == pytest.approx(more_s, rel=0.02)
    assert pair("RTX-3090", 4, pcie_gb_per_s=32).speed.ttft_s == taken.speed.ttft_s
    for other in (pair("RTX-3090", 1), pair("H100", 4)):
        assert not any("PCIe" in n for n in other.speed.notes)


def test_what_a_balancer_makes_of_replicas_is_said():
    def notes(replicas: int, **load) -> list[str]:
        asked = {
            "model": LLAMA, "gpu": "H100", "max_model_len": 8192, "gpu_count": replicas,
            "workload": {"input_len": 1000, "output_len": 300} | load,
        }  # fmt: skip
        answer = estimate(EstimateRequest.model_validate(asked), shipped_model(LLAMA))
        assert isinstance(answer, Estimate), answer
        return [n for n in answer.speed.notes if "evenly" in n]

    (four,) = notes(4, concurrency=64)  # of 64 dealt out among four at random: 20.2 in the mean
    assert "64 requests are taken to be spread evenly over 4 replicas" in four
    assert "the busiest has about 20" in four
    assert not notes(1, concurrency=64)
    assert not notes(4, concurrency=2)
    assert not notes(4, request_rate=2.0)
