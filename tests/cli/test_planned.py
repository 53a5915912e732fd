"""What `infercli bench --plan` says beside what it measured: what was predicted, and what the GPUs cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infercli.adapters.files import price_list
from infercli.cli.planned import with_plan
from infercli.core.bench.result import BenchResult
from infercli.core.documents.plan import Plan
from infercli.errors import ExitCode
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
FEW = ("--requests", "2", "--warmup", "0", "--concurrency", "1")


@pytest.fixture
def plan(infercli, tmp_path):
    """Save a plan on so many L4 in plan.json, and return it."""

    def save(replicas=1):
        words = ("--profile", "l4-x4", "--tensor-parallel-size", 1, "--replicas", replicas, "-o", "json")
        ran = infercli("plan", LLAMA, *words)
        (tmp_path / "plan.json").write_text(ran.out)
        return Plan.model_validate(json.loads(ran.out))

    return save


def measured(infercli, *words):
    with FakeOpenAiServer(Behaviour()) as server:
        ran = infercli("bench", server.url, *words, *FEW, "--save", "result.json")
    return BenchResult.model_validate_json(Path("result.json").read_text()), ran.err


def test_what_the_plan_predicts_of_the_load_that_was_sent_stands_beside_it(infercli, plan):
    saved = plan()
    result, _ = measured(infercli, "--plan", "plan.json")
    (said,) = result.predicted
    assert (said.stage, said.source) == (0, f"plan {saved.name} {saved.content_digest()[:12]}")
    engine = ("--gpu", "L4", "--tensor-parallel-size", 1, "--engine-version", saved.engine.engine_version)
    args = saved.engine.engine_args
    engine += ("--quantization", saved.engine.quantization, "--max-model-len", args["max_model_len"])
    one = result.stages[0].traces[0]  # the other is like it
    load = ("--concurrency", 1, "--num-prompts", 2, "--input-len", one.prompt_tokens, "--output-len", one.output_tokens)
    same = json.loads(infercli("estimate", "--model", LLAMA, *engine, *load, "-o", "json").out)["speed"]
    for ours, theirs in (
        (said.output_tokens_per_s, same["output_tok_per_s"]),
        (said.ttft_s, same["ttft_s"]),
        (said.tpot_s, same["tpot_s"]),
    ):
        assert ours.value == pytest.approx(theirs["value"], rel=0.02)


def test_what_the_gpus_of_all_replicas_cost_is_in_the_result(infercli, plan):
    plan(replicas=2)
    result, _ = measured(infercli, "--plan", "plan.json")
    price = price_list(Path()).find("L4")
    assert result.price is not None
    assert (result.price.gpus, result.price.quotes) == (2, price.quotes)
    assert result.price.low_usd_per_h == 2 * price.low_usd
    assert result.price.median_usd_per_h == 2 * price.median_usd
    assert result.price.high_usd_per_h == 2 * price.high_usd


def test_without_a_plan_nothing_is_predicted(infercli):
    result, said = measured(infercli)
    assert (result.predicted, result.price) == ((), None)
    assert "predicted" not in said


def test_why_nothing_is_predicted_is_said_once_whatever_the_levels(infercli, plan, capsys):
    result, _ = measured(infercli)
    (level,) = result.stages
    talks = level.model_copy(update={"traces": tuple(t.model_copy(update={"turn": 1}) for t in level.traces)})
    found = with_plan(result.model_copy(update={"stages": (talks, talks)}), plan())
    assert (found.predicted, found.price is None) == ((), False)
    assert capsys.readouterr().err.count("nothing is predicted beside it: conversations were sent") == 1


def test_a_price_that_no_list_has_is_said_and_costs_no_result(infercli, plan, tmp_path, capsys):
    saved = plan()
    result, _ = measured(infercli)
    own = saved.model_copy(update={"profile": saved.profile.model_copy(update={"price": "mine"})})
    assert with_plan(result, own).price is None
    assert "what it costs is not known: " in capsys.readouterr().err


@pytest.mark.parametrize("written", ['{"kind": "Selection"}', None])
def test_a_file_that_is_no_plan_is_refused_before_a_request_is_sent(infercli, tmp_path, written):
    if written is not None:
        (tmp_path / "plan.json").write_text(written)
    with FakeOpenAiServer(Behaviour()) as server:
        ran = infercli("bench", server.url, "--plan", "plan.json", *FEW)
        assert not server.completion_requests
    assert ran.code == ExitCode.USAGE
    assert "`infercli plan --save` writes it" in ran.err
