"""What a candidate is asked about, which requirement is told as the tightest, and closed forms that no play beats."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infercli.core.choice.candidates import candidates
from infercli.core.choice.engine import Engine, request_of
from infercli.core.choice.measures import OBJECTIVES, Measure, Played
from infercli.core.choice.question import Fixed
from infercli.core.speed.throughput import Speed, Spread
from tests.core.choice.searches import ask, loads, profile


def test_an_estimate_is_asked_for_all_that_a_candidate_is():
    fixed = Fixed(tensor_parallel_size=2, pipeline_parallel_size=2, replicas=1, max_num_seqs=16, kv_cache_dtype="fp8")
    question = ask(profile("h100-x8", "H100", gpus=8), quantizations=("fp8",), fixed=fixed)
    (weighed,) = candidates(question)
    twice = replace(weighed, candidate=weighed.candidate.model_copy(update={"replicas": 2}))
    asked = request_of(question, twice)
    assert asked.model_dump(exclude_unset=True) == {
        "model": question.model.name,
        "gpu": "H100",
        "gpu_count": 8,
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 2,
        "quantization": "fp8",
        "kv_cache_dtype": "fp8",
        "max_num_seqs": 16,
        "max_model_len": 3072,
        "gpu_memory_utilization": weighed.hardware.gpu_memory_utilization,
        "workload": question.traffic.model_dump(exclude_unset=True) | {f"{name}_ms": None for name in OBJECTIVES},
    }


def test_the_tightest_requirement_is_the_one_with_the_least_room_at_the_pessimistic_end():
    wide = Measure(of="TTFT p95", value=0.5, worst=1.2, allowed=1.0, share=0.5, worst_share=1.2)
    near = Measure(of="TPOT p95", value=0.9, worst=0.99, allowed=1.0, share=0.9, worst_share=0.99)
    none = Spread(mean=0, p50=0, p95=0, p99=0)
    speed = Speed(output_tokens_per_s=1, total_tokens_per_s=1, requests_per_s=1, ttft_s=none, tpot_s=none, running=1)
    played = Played(speed=speed, measures=(near, wide))
    assert (played.tightest, played.keeps, played.surely) == (wide, True, False)


def test_what_runs_at_once_is_at_worst_what_the_least_kv_cache_holds():
    question = ask(profile("l4", "L4"), load={"concurrency": 64}, ttft_s=None, quantizations=("fp8",))
    weighed = candidates(question)[0]
    engine = Engine(question, weighed)
    (found,) = engine.carries(1, 1024)
    held = engine.examined.sized.room.held
    assert held.low_bytes < held.bytes
    assert found.of == "runs"
    assert found.worst == pytest.approx(found.value * held.low_bytes / held.bytes)
    assert found.worst_share == pytest.approx(64 / found.worst)


def test_clients_that_a_batch_has_no_place_for_wait_at_least_half_of_what_littles_law_says():
    question = ask(profile("l4", "L4"), load={"concurrency": 100}, quantizations=("fp8",), fixed=Fixed(max_num_seqs=1))
    weighed = candidates(question)[0]
    engine = Engine(question, weighed)
    # One request is answered at a time, and 99 wait, each for all before it.
    load = question.traffic
    alone_s = engine.step(0, 0, load.input_len, load.input_len**2 / 2, 1) + (load.output_len - 1) * engine.step(
        1, load.input_len + load.output_len / 2
    )
    least = {m.of: m.value for m in engine.least(1, 1)}["TTFT p95"]
    assert least == pytest.approx(0.5 * 99 * alone_s, rel=0.05)


@given(
    loads, st.sampled_from([50.0, 1000.0, 2500.0]), st.sampled_from([2.0, 100.0, 400.0]), st.integers(0, 10_000),
    st.sampled_from([0.0, 0.5, 0.95]),
)  # fmt: skip
@example({"request_rate": 3.0}, 2500.0, 100.0, 2867, 0.0)  # nearly all that a small batch carries
@example({"request_rate": 3.0}, 1000.0, 2.0, 0, 0.0)  # a second token that no other prompt holds up
@example({"request_rate": 3.0}, 2500.0, 100.0, 0, 0.95)  # a prompt of which next to nothing is computed
@settings(max_examples=40)
def test_what_is_played_is_never_better_than_the_closed_form_said(load, prompt, output, which, cached):
    question = ask(load=load)
    changed = {"input_len": prompt, "output_len": output, "prefix_hit_fraction": cached}
    question = replace(question, traffic=question.traffic.model_copy(update=changed))
    weighed = candidates(question)
    chosen = weighed[which % len(weighed)]
    engine, replicas = Engine(question, chosen), chosen.candidate.replicas
    carried = all(m.share < 1 for m in engine.carries(replicas, chosen.candidate.max_num_seqs))
    if engine.starts and carried:
        played = {m.of: m.value for m in engine.play(replicas).measures}
        for least in engine.least(replicas, chosen.candidate.max_num_seqs):
            assert least.value <= played[least.of]


@given(
    st.sampled_from([17.0, 40.0, 130.0, 300.0]), st.sampled_from([50.0, 1000.0, 2500.0]),
    st.sampled_from([2.0, 40.0, 200.0]), st.integers(0, 10_000),
)  # fmt: skip
@settings(max_examples=40)
def test_a_smaller_batch_is_never_better_than_the_closed_form_says_of_it_by_the_engine_of_the_default(
    clients, prompt, output, which
):
    question = ask(load={"concurrency": clients})
    traffic = question.traffic.model_copy(update={"input_len": prompt, "output_len": output})
    question = replace(question, traffic=traffic)
    smaller = [w for w in candidates(question) if w.default_batch is not None]
    chosen = smaller[which % len(smaller)]
    own, usual = (Engine(question, w) for w in (chosen, chosen.default_batch))
    if usual.starts:
        c = chosen.candidate
        played = {m.of: m.value for m in own.play(c.replicas).measures}
        for least in usual.least(c.replicas, c.max_num_seqs):
            assert least.value <= played[least.of]
