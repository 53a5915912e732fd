"""The highest rate that keeps an objective."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.gpus import find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.speed import throughput
from infercli.core.speed.engine import step_time
from infercli.core.speed.steady import highest_rate
from infercli.core.speed.throughput import Objectives
from tests.core.speed.test_throughput import H100, LLAMA, SERVING, ask, load


def highest(asked, objectives, serving=SERVING, gpu=H100):
    timed = step_time(LLAMA, UNQUANTIZED, gpu, serving, served=asked.served)
    return throughput.highest_request_rate(timed, serving, asked, objectives)


def test_a_load_without_an_end_is_seen_once_the_engine_is_full_and_is_never_more_than_it_carries():
    wide, b200 = replace(SERVING, max_num_seqs=1024, kv_tokens=1_000_000), find_gpu("B200")
    asked = load(output=300.0)
    timed = step_time(LLAMA, UNQUANTIZED, b200, wide)
    capacity = throughput.capacity_requests_per_s(timed, wide, asked)
    near, long = (ask(asked._replace(request_rate=0.8 * capacity, requests=n), wide, b200) for n in (None, 5000))
    assert near.requests_per_s == 0.8 * capacity
    assert near.tpot_s.p50 == pytest.approx(long.tpot_s.p50, rel=0.05)
    assert ask(asked._replace(request_rate=100 * capacity), wide, b200).requests_per_s == capacity
    patient = Objectives(tpot_p95_s=1.0)
    assert highest(asked, patient, wide, b200) == capacity


def test_the_highest_rate_keeps_the_objective_and_a_tenth_more_does_not():
    objectives = Objectives(ttft_p95_s=0.5, tpot_p95_s=0.02)
    rate = highest(load(), objectives)
    assert rate > 0
    assert objectives.keeps(ask(load(request_rate=rate)))
    assert not objectives.keeps(ask(load(request_rate=rate * 1.1)))
    assert highest(load(), Objectives(ttft_p99_s=1e-4)) == 0


def test_a_run_that_ends_may_arrive_faster_than_the_engine_carries_for_long():
    narrow = replace(SERVING, max_num_seqs=32)
    objectives = Objectives(ttft_p99_s=0.5)

    rate = highest(load(requests=48), objectives, narrow)
    assert rate > 1.2 * highest(load(), objectives, narrow)
    assert objectives.keeps(ask(load(request_rate=rate, requests=48), narrow))
    assert not objectives.keeps(ask(load(request_rate=rate * 1.1, requests=48), narrow))


def test_a_rate_is_looked_for_beyond_the_capacity_only_for_a_load_that_ends():
    assert highest_rate(lambda _: True, 10.0) == 10.0
    assert highest_rate(lambda _: True, 10.0, 100) == 100
    assert highest_rate(lambda rate: rate <= 40, 10.0, 100) == pytest.approx(40, rel=0.02)
    assert highest_rate(lambda rate: rate <= 4, 10.0, 100) == pytest.approx(4, rel=0.03)


def test_a_highest_rate_far_below_the_capacity_is_not_none():
    assert highest_rate(lambda rate: rate <= 3e-3, 10.0) == pytest.approx(3e-3, rel=0.06)
    patient = replace(SERVING, max_num_seqs=1024)
    alone_s = ask(load(request_rate=1e-3), patient).tpot_s.p95
    objectives = Objectives(tpot_p95_s=alone_s * 1.0001)
    rate = highest(load(), objectives, patient)
    assert rate > 0
    assert objectives.keeps(ask(load(request_rate=rate), patient))
