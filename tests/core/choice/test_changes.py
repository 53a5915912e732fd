"""What would hold where nothing does: each change holds when it is searched again, and a smaller one does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.choice import changes as module
from infercli.core.choice.answer import selection
from infercli.core.choice.changes import changes
from infercli.core.choice.question import Fixed
from infercli.core.choice.search import Search
from tests.core.choice.searches import LLAMA_70B, ask, profile


def test_changes_hold_when_they_are_searched_again():
    def small(gpus=2, count=1, rate=5.0):
        return ask(profile("l4", gpus=gpus, count=count), load={"request_rate": rate}, tpot_s=0.06)

    search = Search(small())
    assert selection(search).chosen is None
    found = changes(search)
    assert all(c.effect.startswith("holds on ") for c in found)

    rate = next(float(c.change.split()[1]) for c in found if c.change.startswith("--rate "))
    assert Search(small(rate=rate)).winner() is not None
    assert Search(small(rate=1.3 * rate)).winner() is None

    words = next(c.change for c in found if c.change.startswith("a profile like l4 with "))
    count, gpus = words.removeprefix("a profile like l4 with ").removesuffix(" GPUs").split(" x ")
    assert Search(small(gpus=int(gpus), count=int(count))).winner() is not None


def test_what_the_user_fixed_is_named_where_nothing_holds_with_it():
    question = ask(profile("h100", "H100", gpus=4), fixed=Fixed(tensor_parallel_size=3))
    assert changes(Search(question))[0].change == "without --tensor-parallel-size"


def test_the_relaxed_objective_holds_and_a_tenth_less_does_not():
    question = ask(profile("l4"), load={"concurrency": 1.0}, tpot_s=0.03, ttft_s=5.0)
    search = Search(question)
    assert search.winner() is None
    words = next(c.change for c in changes(search) if c.change.startswith("--slo tpot_p95="))
    limit_ms = float(words.removeprefix("--slo tpot_p95=").removesuffix("ms"))
    for share, found in ((1, True), (0.9, False)):
        traffic = question.traffic.model_copy(update={"tpot_p95_ms": share * limit_ms})
        assert (Search(replace(question, traffic=traffic)).winner() is not None) is found


@pytest.mark.parametrize("load", [{"request_rate": 50_000.0}, {"concurrency": 5_000.0}])
def test_the_load_that_holds_is_found_however_far_off_the_asked_one_is(load):
    ((field, _),) = load.items()
    flag = {"request_rate": "--rate ", "concurrency": "--concurrency "}[field]

    def asked(amount):
        return ask(profile("h100", "H100"), load={field: amount}, tpot_s=0.02)

    words = next(c.change for c in changes(Search(asked(load[field]))) if c.change.startswith(flag))
    amount = float(words.removeprefix(flag))
    assert Search(asked(amount)).winner() is not None
    assert Search(asked(1.3 * amount)).winner() is None


def test_no_load_is_offered_on_a_checkpoint_that_the_profile_does_not_take():
    hardware = profile("h100", "H100", gpus=2, quantizations=("none",))
    question = ask(hardware, model="Qwen/Qwen3-8B-FP8", load={"concurrency": 5000.0}, tpot_s=0.02)
    assert [c.change for c in changes(Search(question)) if "--concurrency" in c.change] == []
    taken = replace(question, quantizations=("fp8",))
    assert [c.change for c in changes(Search(taken)) if "--concurrency" in c.change]


def test_a_load_is_offered_only_where_a_request_that_is_alone_holds():
    found = changes(Search(ask(profile("l4"), load={"request_rate": 5.0}, tpot_s=0.001)))
    assert not [c.change for c in found if c.change.startswith("--rate")]


def test_a_model_that_no_node_holds_is_offered_as_many_nodes_as_hold_it():
    h200 = profile("h200-x8", "H200", gpus=8, quantizations=("fp8",))
    question = ask(h200, model="moonshotai/Kimi-K2-Instruct", tpot_s=0.1)
    found = changes(Search(question))
    assert [c.change for c in found if c.change.startswith("a profile")] == ["a profile like h200-x8 with 2 x 8 GPUs"]
    two = profile("h200-x8", "H200", gpus=8, count=2, quantizations=("fp8",))
    winner = Search(ask(two, model="moonshotai/Kimi-K2-Instruct", tpot_s=0.1)).winner()
    assert winner.weighed.candidate.gpus_per_replica == 16


def long_prompts(**more):
    """Prompts so long that what is quick for a token is not what is quick for the first one."""
    machine = profile("h", "H200" if more.get("spare") else "H100", gpus=8, interconnect="nvlink")
    question = ask(machine, model=LLAMA_70B, ttft_s=2.0, load={"request_rate": 0.5}, **more)
    traffic = question.traffic.model_copy(update={"input_len": 16000.0, "output_len": 1000.0})
    return replace(question, traffic=traffic, max_model_len=34816)


@pytest.mark.parametrize("spare", [False, True])
def test_the_least_of_an_objective_is_found_though_the_fastest_for_a_token_do_not_reach_it(spare):
    question = long_prompts(spare=spare)
    (words,) = (c.change for c in changes(Search(question)) if c.change.startswith("--slo ttft_p95="))
    limit_ms = float(words.removeprefix("--slo ttft_p95=").removesuffix("ms"))
    for share, found in ((1, True), (0.95, False)):
        traffic = question.traffic.model_copy(update={"ttft_p95_ms": share * limit_ms})
        assert (Search(replace(question, traffic=traffic)).holds() is not None) is found


def test_others_are_looked_at_where_none_of_the_quickest_holds(monkeypatch):
    monkeypatch.setattr(module, "_LOOKED", 1)
    question = long_prompts(spare=True)
    assert any(c.change.startswith("--slo ttft_p95=") for c in changes(Search(question)))
