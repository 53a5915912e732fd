"""How far a speed may be off, and where none is said."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.speed import throughput
from infercli.core.speed.bounds import bounded, outruns
from infercli.core.speed.engine import step_time
from infercli.core.speed.errors import ERRORS, error_of, interval
from infercli.errors import InferError
from tests.core.speed.test_throughput import H100, LLAMA, SERVING, ask, load


@pytest.mark.parametrize("cut", [{"pipeline_parallel_size": 2}, {"data_parallel_size": 2}])
def test_a_layout_that_was_hardly_measured_has_a_wider_interval_and_says_so(cut):
    asked, plain = load(concurrency=8), replace(SERVING, engine_version="0.19.0")
    usual, silent = bounded(100.0, "tpot", LLAMA, H100, plain, asked)
    wider, why = bounded(100.0, "tpot", LLAMA, H100, replace(plain, layout=Layout(**cut)), asked)
    assert wider.low < usual.low
    assert usual.high < wider.high
    assert silent == ()
    assert "next to no public measurement" in why[0]
    later = replace(SERVING, engine_version="0.31.0", layout=Layout(**cut))
    newest = bounded(100.0, "tpot", LLAMA, H100, later, asked)[0]
    assert wider.high < newest.high


def test_the_first_token_may_come_sooner_or_later_by_what_clients_and_hosts_differ_in():
    served, listed = load(prompt=100, concurrency=1), load(prompt=100, concurrency=1, served=False)
    plain, _ = bounded(0.03, "ttft", LLAMA, H100, SERVING, listed)
    assert plain.low == pytest.approx(0.03 * 0.03 / plain.high)  # as far below as the upper bound is above
    found, _ = bounded(0.03, "ttft", LLAMA, H100, SERVING, served)
    # 12 ms of it are the request's: 3 of a near client on a fast host, and 50 through whatever stands between.
    assert found.low == pytest.approx(plain.low * 21 / 30)
    assert found.high == pytest.approx(0.068)
    assert found.high > plain.high
    long, _ = bounded(5.0, "ttft", LLAMA, H100, SERVING, served)
    assert long.low == pytest.approx(5.0 * 5.0 / long.high, rel=0.02)  # a long wait hardly feels it
    tpot, _ = bounded(0.03, "tpot", LLAMA, H100, SERVING, served)
    assert tpot.low == pytest.approx(0.03 * 0.03 / tpot.high)


def test_the_roofline_is_above_what_is_predicted():
    timed = step_time(LLAMA, UNQUANTIZED, H100, SERVING)
    predicted = throughput.capacity_requests_per_s(timed, SERVING, load())
    assert throughput.fastest(LLAMA, UNQUANTIZED, H100, SERVING, load()).requests_per_s > predicted


@pytest.mark.parametrize("version", ["0.6.3", "0.7.3", "0.8.0", "0.13.0", "0.14.0", "0.29.0", "0.33.0"])
def test_every_version_is_answered_and_a_word_is_not(version):
    assert ask(load(concurrency=2), replace(SERVING, engine_version=version)).output_tokens_per_s > 0


def test_a_version_that_is_none_is_refused():
    with pytest.raises(InferError, match="latest"):
        ask(load(concurrency=2), replace(SERVING, engine_version="latest"))


def test_a_gpu_whose_row_does_not_say_how_fast_it_computes_is_refused():
    with pytest.raises(InferError, match="how fast"):
        ask(load(concurrency=2), gpu=H100.model_copy(update={"peak_flops": {}}))


def test_intervals_widen_where_nothing_was_measured_and_say_why():
    speed, asked = ask(load(concurrency=8)), load(concurrency=8)
    known, later = (replace(SERVING, engine_version=version) for version in ("0.29.0", "0.30.0"))
    usual, none = bounded(speed.output_tokens_per_s, "output_tokens_per_s", LLAMA, H100, known, asked)
    wide, why = bounded(speed.output_tokens_per_s, "output_tokens_per_s", LLAMA, H100, later, asked)
    assert none == ()
    assert "0.30.0 extrapolates" in why[0]
    assert wide.low < usual.low < usual.value < usual.high < wide.high
    other, why = bounded(speed.output_tokens_per_s, "output_tokens_per_s", LLAMA, find_gpu("L20"), known, asked)
    assert (other, why) == (wide, ("no public measurement of vLLM on L20 was used",))


def test_intervals_widen_for_a_vllm_older_than_all_measured_on_gpus_of_that_capability():
    asked = load(concurrency=8)
    old, new = (replace(SERVING, engine_version=v) for v in ("0.10.1", "0.19.0"))
    b200 = find_gpu("B200")
    usual, none = bounded(1000.0, "output_tokens_per_s", LLAMA, b200, new, asked)
    wide, why = bounded(1000.0, "output_tokens_per_s", LLAMA, b200, old, asked)
    assert none == ()
    assert "oldest vLLM measured on the likes of B200 is 0.17" in why[0]
    assert wide.low < usual.low < usual.high < wide.high
    assert bounded(1000.0, "output_tokens_per_s", LLAMA, H100, old, asked) == (usual, ())


def test_a_rate_that_outruns_the_engine_is_as_uncertain_as_all_prompts_at_once():
    slow, fast, few = (load(request_rate=r, requests=n) for r, n in ((2, None), (1000, None), (20, 30)))
    assert [outruns(asked, ask(asked)) for asked in (slow, fast, few)] == [False, True, True]
    assert not outruns(load(concurrency=8), ask(load(concurrency=8)))
    at_once, kept, outrun = (
        bounded(1.0, "output_tokens_per_s", LLAMA, H100, SERVING, asked, outrun=outran)[0]
        for asked, outran in ((load(), False), (slow, False), (fast, True))
    )
    assert outrun == at_once
    assert outrun.low < kept.low


def test_every_metric_and_load_has_a_measured_error():
    for metric in ("output_tokens_per_s", "ttft", "tpot"):
        for kind in ("concurrency", "rate", "at_once"):
            for experts, v0 in product((False, True), repeat=2):
                error = error_of(metric, kind, experts=experts, v0=v0)
                low, high = interval(100.0, error)
                assert low < 100 < high
    assert len(ERRORS) == 20


def test_a_rate_of_the_first_engine_says_nothing_of_the_second():
    asked = load(request_rate=2.0)
    first, second = (
        bounded(1.0, "tpot", LLAMA, H100, replace(SERVING, engine_version=version), asked)[0]
        for version in ("0.7.3", "0.19.0")
    )
    assert first.low < second.low < second.high < first.high
