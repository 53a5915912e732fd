"""The search: the cheapest that holds, the front, and why the others lost."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.choice.answer import selection
from infercli.core.choice.candidates import candidates
from infercli.core.choice.changes import changes
from infercli.core.choice.question import Fixed
from infercli.core.choice.search import Search
from infercli.core.choice.selection import Candidate, Cost
from infercli.core.estimates.estimate import estimate, examine
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.speed import load_of, serving_of
from infercli.core.gpus import GPUS
from infercli.core.memory.weights import _heaviest_stage
from infercli.core.speed import throughput
from infercli.core.speed.bounds import bounded
from infercli.core.speed.engine import step_time
from infercli.core.units import GIB
from tests.core.choice.searches import LLAMA_8B, LLAMA_70B, ask, loads, profile


def request(question, c: Candidate, **workload):
    """The question that `infercli estimate` is asked, written from the candidate as a user would."""
    hardware = next(h for h in question.hardware if h.profile.name == c.profile)
    traffic = question.traffic.model_dump(exclude_none=True) | workload
    return EstimateRequest.model_validate({
        "model": question.model.name, "gpu": hardware.gpu, "gpu_count": c.gpus_per_replica * c.replicas,
        "tensor_parallel_size": c.tensor_parallel_size, "pipeline_parallel_size": c.pipeline_parallel_size,
        "quantization": c.quantization, "kv_cache_dtype": c.kv_cache_dtype, "max_num_seqs": c.max_num_seqs,
        "max_model_len": question.max_model_len, "gpu_memory_utilization": hardware.gpu_memory_utilization,
        "workload": traffic,
    })  # fmt: skip


def holds(question, c: Candidate) -> bool:
    """Whether it holds at the pessimistic end, by nothing but an estimate and the closed form of what it can carry."""
    asked = request(question, c)
    answer = estimate(asked, question.model)
    if getattr(answer, "starts", None) is not True:
        return False
    speed, traffic = answer.speed, question.traffic
    kept = speed.ttft_p95_s.high * 1000 <= traffic.ttft_p95_ms and speed.tpot_p95_s.high * 1000 <= traffic.tpot_p95_ms
    if traffic.request_rate is None or not kept:
        return kept
    sized = examine(asked, question.model, Problems()).sized
    serving, load = serving_of(asked, sized, traffic), load_of(traffic, c.replicas)
    step = step_time(sized.arch, sized.quantization, sized.load.gpu, serving)
    capacity = throughput.capacity_requests_per_s(step, serving, load)
    low = bounded(capacity, "output_tokens_per_s", sized.arch, sized.load.gpu, serving, load)[0].low
    return low >= traffic.request_rate


def test_what_no_batch_changes_is_counted_once_for_all_of_them():
    question = ask(profile("h100-x8", "H100", gpus=8), model=LLAMA_70B)
    found = (w.candidate for w in candidates(question))
    splits = {(c.quantization, c.tensor_parallel_size, c.pipeline_parallel_size) for c in found}
    _heaviest_stage.cache_clear()
    Search(question)
    assert 0 < _heaviest_stage.cache_info().misses <= len(splits) < _heaviest_stage.cache_info().hits


# Answers of one token.


def test_answers_of_one_token_have_no_time_between_tokens_and_no_front():
    question = ask(profile("h100", "H100"), ttft_s=0.5, load={"request_rate": 5.0})
    question = replace(question, traffic=question.traffic.model_copy(update={"output_len": 1.0}))
    for tpot_ms in (None, 1.0):  # whatever is asked of it
        traffic = question.traffic.model_copy(update={"tpot_p95_ms": tpot_ms})
        found = selection(Search(replace(question, traffic=traffic)))
        assert found.chosen.estimate.speed.tpot_s is None
        assert found.front == ()
        assert any("no front: an answer of one token" in note for note in found.notes)


def test_no_candidate_is_played_for_a_front_that_cannot_be(monkeypatch):
    played = []
    whole = Search.play
    monkeypatch.setattr(Search, "play", lambda self, candidate: played.append(candidate) or whole(self, candidate))
    question = ask(load={"request_rate": 5.0})
    traffic = question.traffic.model_copy(update={"output_len": 1.0, "tpot_p95_ms": None})
    found = selection(Search(replace(question, traffic=traffic)))
    assert found.chosen is not None
    assert len({id(candidate) for candidate in played}) <= 3 < found.candidates


# Who wins.


@pytest.mark.parametrize(
    "question",
    [
        ask(),
        ask(load={"concurrency": 4.0}),
        ask(load={"request_rate": 6.0}, tpot_s=0.04),
        ask(load={"request_rate": 0.1}, tpot_s=0.2),
        ask(tpot_s=0.02),
    ],
)
def test_the_winner_is_the_cheapest_of_all_that_hold_when_each_is_estimated(question):
    question = replace(question, plain=True)
    price = {"l4": 1, "a100": 4}
    held = [w.candidate for w in candidates(question) if holds(question, w.candidate)]
    found = selection(Search(question)).chosen
    if not held:
        assert found is None
        return
    assert found is not None
    assert found.candidate in held
    assert found.cost.median_usd_per_h == min(price[c.profile] * c.gpus for c in held)


@pytest.mark.parametrize(
    "load", [{"request_rate": 2.0}, {"concurrency": 4.0}, {"request_rate": 2.0, "prefix_hit_fraction": 0.8}]
)
def test_an_estimate_of_what_was_chosen_is_what_the_search_prints(load):
    question = ask(load=load, tpot_s=0.2, ttft_s=4.0)
    found = selection(Search(question))
    assert found.chosen.estimate == estimate(request(question, found.chosen.candidate), question.model)
    assert len(found.front) > 1
    for point in found.front:
        speed = estimate(request(question, point.candidate), question.model).speed
        assert point.tokens_per_s_per_user.value == 1 / speed.tpot_s.value
        assert point.tokens_per_s_per_user.low == 1 / speed.tpot_s.high
        assert point.tokens_per_s_per_usd_h == speed.output_tok_per_s.value / point.cost.median_usd_per_h


@pytest.mark.parametrize("load", [{"request_rate": 12.0}, {"concurrency": 64.0}])
def test_prompts_that_are_mostly_cached_cost_less(load):
    def usd_per_h(cached):
        return cost_of_the_winner(ask(load=load | {"prefix_hit_fraction": cached}, ttft_s=0.6, tpot_s=0.06))

    costs = [usd_per_h(cached) for cached in (0.0, 0.5, 0.9)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_every_candidate_is_in_the_answer_once():
    question = ask()
    found = selection(Search(question))
    told = [loser.candidate for loser in found.losers] + [found.chosen.candidate]
    weighed = [w.candidate for w in candidates(question)]
    assert len(weighed) == len(set(weighed)) == found.candidates
    assert sorted(map(str, told)) == sorted(map(str, weighed))
    assert all(loser.reason for loser in found.losers)


def test_one_that_holds_only_at_the_estimate_is_said_and_not_recommended():
    question = ask(tpot_s=0.06)
    found = selection(Search(question))
    nearly, chosen = found.cheaper_at_the_estimate, found.chosen
    assert nearly.holds == "at the estimate"
    assert nearly.estimate.speed.tpot_p95_s.value <= 0.06 < nearly.estimate.speed.tpot_p95_s.high
    assert nearly.cost.median_usd_per_h < chosen.cost.median_usd_per_h
    assert chosen.estimate.speed.tpot_p95_s.high <= 0.06


def test_a_class_of_which_no_real_config_was_seen_is_said_to_be_the_reason():
    question = ask(profile("l4"))
    unseen = replace(question, model=replace(question.model, arch=replace(question.model.arch, confirmed=False)))
    found = selection(Search(unseen))
    assert found.holds is None
    reasons = {loser.reason for loser in found.losers if loser.verdict == "cannot_be_told"}
    assert any("no real config.json or log of LlamaForCausalLM was seen" in reason for reason in reasons)
    assert not any("0.00 GiB" in reason for reason in reasons)


def test_the_highest_rate_is_no_less_than_one_that_was_found_to_hold():
    question = ask(
        profile("l4-x4", gpus=4, quantizations=("awq",)), model="Qwen/Qwen3-32B", load={"request_rate": 0.202}
    )
    question = replace(question, traffic=question.traffic.model_copy(update={"output_len": 300.0}))
    found = selection(Search(question)).cheaper_at_the_estimate
    alone = estimate(request(question, found.candidate), question.model).speed.highest_request_rate
    assert alone.value < 0.202  # what the bisection finds
    assert found.estimate.speed.highest_request_rate == alone.model_copy(update={"value": 0.202})


@pytest.mark.parametrize("rate", [0.5, 2.0, 6.0])
def test_at_worst_what_was_chosen_carries_the_asked_rate(rate):
    chosen = selection(Search(ask(load={"request_rate": rate}, ttft_s=0.5))).chosen
    assert chosen.estimate.speed.highest_request_rate.low >= rate


def test_requests_in_flight_all_run_unless_an_objective_says_how_long_they_may_wait():
    l4s = profile("l4-x8", gpus=8, quantizations=("awq",))
    waiting = selection(Search(ask(l4s, load={"concurrency": 900.0}, ttft_s=4000.0, tpot_s=1.0))).chosen
    running = selection(Search(ask(l4s, load={"concurrency": 900.0}, ttft_s=None, tpot_s=1.0)))
    assert waiting.candidate.replicas < running.chosen.candidate.replicas
    note = next(n for n in waiting.estimate.notes if "at once" in n)
    assert "the others wait" in note
    assert not any("the others wait" in n for n in running.chosen.estimate.notes)
    fewer = [x for x in running.losers if x.candidate.replicas == 1]
    assert all(x.verdict == "too_slow" for x in fewer)
    assert any(re.fullmatch(r"runs [\d.]+ of 900 requests at once", x.reason) for x in fewer)


def test_a_published_checkpoint_that_is_what_was_chosen_is_named():
    def said(model, **more):
        notes = selection(Search(ask(profile("h200", "H200"), model=model, tpot_s=0.1, **more))).notes
        return [n for n in notes if n.startswith("published checkpoints")]

    assert "Qwen/Qwen3-32B-FP8" in said("Qwen/Qwen3-32B", quantizations=("fp8",))[0]
    assert said("Qwen/Qwen3-32B", quantizations=("none",)) == []
    assert "Qwen/Qwen3-32B-AWQ" in said("Qwen/Qwen3-32B", quantizations=("awq",))[0]
    assert said("Qwen/Qwen3-32B", quantizations=("gptq",)) == []
    assert said("Qwen/Qwen3-32B-FP8", quantizations=("fp8",)) == []


def test_between_equal_prices_the_profile_decides_and_an_fp8_kv_cache_comes_last():
    for preferred in ("fp8", "none"):
        order = (preferred, *({"fp8", "none"} - {preferred}))
        found = selection(Search(ask(profile("h100", "H100", quantizations=order))))
        assert (found.chosen.candidate.quantization, found.chosen.candidate.kv_cache_dtype) == (preferred, "auto")
        assert {x.verdict for x in found.losers} == {"not_preferred"}


# What it costs.


def test_all_gpus_are_paid_for():
    found = selection(Search(ask(profile("a", "H100", gpus=4), fixed=Fixed(tensor_parallel_size=2, replicas=2))))
    # 2 replicas of 2 GPUs, at 0.5, 1 and 2 dollars
    assert found.chosen.cost == Cost(low_usd_per_h=2, median_usd_per_h=4, high_usd_per_h=8, quotes=3)


def test_a_price_that_is_the_share_of_a_node_says_so():
    def said(**fixed):
        found = Search(ask(profile("a", "H100", gpus=4, count=2), fixed=Fixed(tensor_parallel_size=1, **fixed)))
        return [n for n in selection(found).notes if "share of" in n]

    # a dollar for a GPU
    (note,) = said(replicas=2)
    assert note.startswith("the price is the share of 2 of the 4 GPUs of a node")
    assert note.endswith("all 4 cost $4.00 an hour")
    assert "6 of the 8 GPUs of 2 nodes" in said(replicas=6)[0]
    assert said(replicas=4) == said(replicas=8) == []


def test_an_unknown_price_is_unknown_and_comes_last():
    free, priced = profile("free", "H100", price=None), profile("priced", "H100", price="dear")
    found = selection(Search(ask(free, priced)))
    assert found.chosen.candidate.profile == "priced"
    lost = [x for x in found.losers if x.candidate.profile == "free"]
    assert lost
    assert all(x.cost is None and x.verdict == "unpriced" for x in lost)
    alone = selection(Search(ask(free)))
    assert (alone.chosen.cost, alone.front) == (None, ())
    assert any("no price" in note for note in alone.notes)


def test_of_gpus_without_a_price_more_of_the_same_cost_more():
    found = selection(Search(ask(profile("free", "H100", gpus=2, price=None))))
    twice = [x for x in found.losers if x.candidate.gpus == 2 and x.verdict not in ("too_slow", "impossible")]
    assert twice
    assert {(x.verdict, x.reason, x.shortfall) for x in twice} == {("dearer", "takes 2 of these GPUs, not 1", 1.0)}


def test_what_may_not_start_and_is_too_slow_anyway_is_no_open_question():
    # 8 B in bf16 on 22 GiB less 2.4: whether it starts is open, and one L4 carries no thousand requests a second.
    short = GPUS["L4"].model_copy(update={"memory_bytes": round(18.9 * GIB)})
    question = ask(profile("short", short, quantizations=("none",)), load={"request_rate": 1000.0})
    one = EstimateRequest(model=LLAMA_8B, gpu=short, max_model_len=3072, max_num_seqs=256, quantization="none")
    assert estimate(one, question.model).starts is None
    found = selection(Search(question))
    assert found.holds is False
    unsure = [x for x in found.losers if x.candidate.max_num_seqs == 256 and x.candidate.kv_cache_dtype == "auto"]
    assert unsure
    assert all(x.verdict == "too_slow" and x.reason.endswith("of 1,000 requests/s, and may not start") for x in unsure)
    slower = ask(profile("short", short, quantizations=("none",)), load={"request_rate": 0.01}, tpot_s=10.0, ttft_s=60)
    assert selection(Search(slower)).holds is not False


def test_stages_that_no_node_holds_are_the_reason():
    found = selection(Search(ask(profile("two", "H100", gpus=2), fixed=Fixed(pipeline_parallel_size=8))))
    assert found.candidates
    assert {x.verdict for x in found.losers} == {"no_room"}
    assert found.losers[0].reason.startswith("8 GPUs for one replica")


def test_a_spare_is_kept_and_paid_for_unless_the_pool_grows():
    fixed = selection(Search(ask(profile("fixed", "H100", gpus=2), spare=True)))
    assert (fixed.chosen.candidate.replicas, fixed.chosen.candidate.spare_gpus) == (1, 1)
    assert fixed.chosen.cost.median_usd_per_h == 2
    assert {x.verdict for x in fixed.losers if x.candidate.gpus > 2} == {"no_room"}
    pool = selection(Search(ask(profile("pool", "H100", max_count=2), spare=True)))
    assert (pool.chosen.candidate.spare_gpus, pool.chosen.cost.median_usd_per_h) == (0, 1)
    full = selection(Search(ask(profile("full", "H100"), spare=True)))
    assert full.chosen is None
    assert full.losers[0].reason == "2 GPUs with the spare: full has room for 1"


def test_a_smaller_batch_is_taken_where_only_it_starts():
    def starts(memory_bytes, seqs):
        asked = {"model": LLAMA_8B, "gpu": GPUS["H100"].model_copy(update={"memory_bytes": memory_bytes})}
        asked |= {"max_model_len": 3072, "max_num_seqs": seqs, "quantization": "none"}
        return estimate(EstimateRequest.model_validate(asked), shipped_model(LLAMA_8B)).starts

    # vLLM's default for so little memory is 256.
    memory_bytes = next(m for m in range(18 * GIB, 30 * GIB, 2**24) if starts(m, 16))
    assert starts(memory_bytes, 256) is not True
    gpu = GPUS["H100"].model_copy(update={"memory_bytes": memory_bytes})
    found = selection(Search(ask(profile("small", gpu, quantizations=("none",)), load={"request_rate": 0.01})))
    assert found.chosen.candidate.max_num_seqs < 256
    assert {x.verdict for x in found.losers if x.candidate.max_num_seqs == 256} & {"does_not_fit", "cannot_be_told"}


def test_a_smaller_batch_that_may_start_is_not_said_to_be_too_large():
    rtx = profile("rtx", "RTX-4090", quantizations=("awq",))
    question = ask(rtx, model="Qwen/Qwen3-32B", load={"request_rate": 0.1}, ttft_s=10, tpot_s=1)
    question = replace(question, max_model_len=9216)
    told = {
        x.candidate.max_num_seqs: x for x in selection(Search(question)).losers if x.candidate.kv_cache_dtype == "auto"
    }
    assert [told[seqs].verdict for seqs in (256, 64, 16)] == ["does_not_fit", "cannot_be_told", "cannot_be_told"]
    for loser in told.values():
        own = estimate(request(question, loser.candidate), question.model)
        assert own.starts is (False if loser.verdict == "does_not_fit" else None)
        assert f"{own.missing_bytes / GIB:.2f} GiB missing" in loser.reason


def test_a_profile_without_room_for_the_spare_does_not_stand_for_one_that_has_it():
    found = selection(Search(ask(profile("one", "H100"), profile("two", "H100", gpus=2), spare=True)))
    chosen = found.chosen.candidate
    assert (chosen.profile, chosen.replicas, chosen.gpus_per_replica, chosen.spare_gpus) == ("two", 1, 1, 1)


# Why the others lost.


def test_reasons_name_what_is_missing():
    question = ask(profile("l4"), profile("h100", "H100", price="dear"), quantizations=("none",), model=LLAMA_70B)
    found = selection(Search(question))
    assert {x.verdict for x in found.losers} == {"does_not_fit"}
    for loser in found.losers:
        missing = loser.shortfall * GIB
        answer = estimate(request(question, loser.candidate), question.model)
        # A smaller batch frees at most what its sampler takes.
        assert 0 <= missing - answer.missing_bytes < 2 * GIB
        assert loser.reason == f"{loser.shortfall:,.2f} GiB missing per GPU"


def test_a_little_that_is_missing_is_not_nothing():
    def asked(memory_bytes):
        gpu = GPUS["L4"].model_copy(update={"memory_bytes": memory_bytes})
        short, fixed = profile("short", gpu, quantizations=("none",)), Fixed(max_num_seqs=16, kv_cache_dtype="auto")
        return ask(short, fixed=fixed, load={"request_rate": 0.01}, tpot_s=10.0, ttft_s=60.0)

    (more,) = selection(Search(asked(18 * GIB))).losers
    nearly = 18 * GIB + round((more.shortfall - 0.003) * GIB / 0.92)
    (lost,) = selection(Search(asked(nearly))).losers
    assert lost.reason.endswith(": 0.003 GiB missing per GPU at worst")


def test_what_cannot_be_split_says_why():
    found = selection(Search(ask(profile("l4", gpus=4), model="Qwen/Qwen2.5-0.5B-Instruct", tpot_s=1.0)))
    split = [x for x in found.losers if x.candidate.tensor_parallel_size == 4]
    assert split
    assert all("attention heads (14) is not divisible by 4" in x.reason for x in split)


def test_dearer_is_by_how_much():
    found = selection(Search(ask(profile("a", "H100"), profile("b", "H200", price="dear"))))
    assert {x.reason for x in found.losers if x.verdict == "dearer"} == {"300% dearer"}


def test_a_quantized_checkpoint_is_what_it_is():
    question = ask(profile("h100", "H100"), model="openai/gpt-oss-20b")
    search = Search(question)
    found = selection(search)
    assert found.chosen is None
    assert {x.reason for x in found.losers} == {"the checkpoint is mxfp4, and the profile lists only `fp8`, `none`"}
    assert changes(search)[0].change == "--quantization mxfp4"
    assert selection(Search(replace(question, quantizations=("mxfp4",)))).chosen is not None


def test_what_needs_a_package_of_its_own_says_so():
    found = selection(Search(ask(profile("h100", "H100"), quantizations=("gguf",))))
    assert {x.verdict for x in found.losers} == {"impossible"}
    assert all("vllm-gguf-plugin" in x.reason for x in found.losers)


# Laws.


def cost_of_the_winner(question) -> float:
    found = Search(replace(question, plain=True)).winner()
    return float("inf") if found is None else found.cost.median_usd_per_h


@given(loads, st.floats(0.01, 0.3), st.floats(0.05, 5), st.floats(1, 3), st.floats(1, 3))
@settings(max_examples=25)
def test_looser_objectives_never_cost_more(load, tpot_s, ttft_s, slower, later):
    tight = cost_of_the_winner(ask(load=load, tpot_s=tpot_s, ttft_s=ttft_s))
    assert cost_of_the_winner(ask(load=load, tpot_s=tpot_s * slower, ttft_s=ttft_s * later)) <= tight


@given(st.floats(0.2, 10), st.floats(1.5, 10), st.sampled_from([0.03, 0.06, 0.15]))
@settings(max_examples=25)
def test_a_lower_rate_never_costs_more(rate, times, tpot_s):
    high = cost_of_the_winner(ask(load={"request_rate": rate}, tpot_s=tpot_s))
    assert cost_of_the_winner(ask(load={"request_rate": rate / times}, tpot_s=tpot_s)) <= high


@given(loads, st.sampled_from([0.02, 0.03, 0.06, 0.15]), st.sampled_from([0.05, 0.5, 5.0]))
@settings(max_examples=25)
def test_whether_it_holds_is_what_the_whole_search_says(load, tpot_s, ttft_s):
    question = ask(profile("l4", gpus=4, count=2), profile("h100", "H100"), load=load, tpot_s=tpot_s, ttft_s=ttft_s)
    short, whole = Search(question).holds(), Search(question)
    winner = whole.winner()
    assert (short and short.weighed.candidate) == (winner and winner.weighed.candidate)
    assert whole.holds() is winner


@pytest.mark.parametrize("clients", [200.0, 400.0])
def test_a_batch_that_lets_others_wait_is_judged_by_its_own_speed(clients):
    question = ask(
        profile("h100", "H100", quantizations=("none",)), load={"concurrency": clients}, ttft_s=120.0, tpot_s=0.018
    )
    found = selection(Search(question))
    assert (found.chosen.candidate.max_num_seqs, found.chosen.candidate.kv_cache_dtype) == (16, "auto")
    for loser in found.losers:
        if loser.verdict in ("too_slow", "uncertain"):
            speed = estimate(request(question, loser.candidate), question.model).speed
            kept = speed.tpot_p95_s.value <= 0.018 and speed.ttft_p95_s.value <= 120
            assert kept is (loser.verdict == "uncertain"), loser
    assert {p.candidate.max_num_seqs for p in found.front} == {16, 64}
    assert any(p.chosen for p in found.front) or any("not on the front" in note for note in found.notes)


def test_of_batches_that_hold_the_largest_is_taken_although_fewer_at_a_time_are_faster():
    question = ask(profile("h100", "H100", quantizations=("none",)), load={"concurrency": 40.0}, ttft_s=60.0)
    found = selection(Search(question))
    assert found.chosen.candidate.max_num_seqs == 1024
    smallest = next(x for x in found.losers if (x.candidate.max_num_seqs, x.candidate.kv_cache_dtype) == (16, "auto"))
    assert smallest.reason == "same price; max_num_seqs 1024 takes more at a time"
