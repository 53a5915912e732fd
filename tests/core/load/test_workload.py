from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from infercli.core.bench.goodput import Objectives
from infercli.core.load.sending import unfit
from infercli.core.load.synthetic import synthetic
from infercli.core.load.workload import BLOCK_TOKENS, FILE_FORMATS, Workload
from infercli.core.validation import problems_of

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def problems(**fields) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Workload.model_validate({"name": "w", **fields})
    return dict(problems_of(caught.value))


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "workloads").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_shipped_workload_reads_and_can_be_sent(path):
    workload = Workload.model_validate(yaml.safe_load(path.read_text()))
    assert workload.name == path.stem
    assert workload.description
    if workload.prompts is not None:
        texts = [str(p) for p in workload.prompts]
        assert len(set(texts)) == len(texts)
    else:
        sent = synthetic(workload.synthetic, None, 0, 8)
        assert unfit(sent.conversations, workload.api or "chat") is None


def test_the_workloads_that_are_promised_are_shipped():
    assert {p.stem for p in (BENCHMARKS / "workloads").glob("*.yaml")} == {"chat", "rag", "code", "agent", "batch"}


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "objectives").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_shipped_set_of_objectives_reads_and_asks_for_answers_too(path):
    objectives = Objectives.model_validate(yaml.safe_load(path.read_text()))
    assert objectives.name == path.stem
    assert {o.latency for o in objectives.objectives} == {"ttft", "tpot"}
    assert objectives.success_fraction >= 0.99


def test_an_agents_session_is_as_long_as_its_file_says():
    workload = Workload.model_validate(yaml.safe_load((BENCHMARKS / "workloads" / "agent.yaml").read_text()))
    turns = workload.synthetic.turn_tokens.choices
    output = workload.synthetic.output_tokens.choices
    mean = [sum(c.value * c.weight for c in choices) / sum(c.weight for c in choices) for choices in (turns, output)]
    most = [max(c.value for c in choices) for choices in (turns, output)]
    # The first call, seven later ones, eight answers.
    assert 12_300 + 7 * mean[0] + 8 * mean[1] == pytest.approx(24_000, rel=0.01)
    assert 12_300 + 7 * most[0] + 8 * most[1] == 62_200


def test_exactly_one_source_is_taken():
    assert "give exactly one of prompts" in problems()[""]
    assert "not prompts and file" in problems(prompts=["a"], file="x", format="jsonl")[""]
    assert Workload(name="w", prompts=("a",)).api is None


def test_all_problems_of_a_file_come_at_once_with_their_places():
    found = problems(
        prompts=["fine", "", 7, [{"content": "x"}], {"role": "user"}, "half \ud800"],
        api="chats",
        max_tokens=0,
        loras={"a": "much"},
        unknown=1,
    )
    assert found == {
        "prompts[1]": "is empty",
        "prompts[2]": "must be text, or a list of messages ({role, content})",
        "prompts[3]": "every message must have a role, which is text",
        "prompts[4]": "must be text, or a list of messages ({role, content})",
        "prompts[5]": "holds half of a character (a lone surrogate), which no request can carry",
        "api": "must be 'chat', 'completions' or 'embeddings'",
        "max_tokens": "must be at least 1",
        "loras.a": "must be a number",
        "unknown": "is not a key that is known here",
    }


def test_the_places_in_a_synthetic_description_are_named():
    forms = (
        "must be a number, a mapping with mean (and stdev, min, max) or with min and max alone, or a list of numbers "
        "or of {value, weight}"
    )
    found = problems(
        synthetic={
            "input_tokens": "many",
            "output_tokens": {"stdev": 3},
            "turns": {"mean": 3, "min": 5},
            "think_s": [{"value": 1, "weight": 0}],
            "shared_prefix": {"groups": 2},
            "suffix": "",
        }
    )
    assert (found["synthetic.input_tokens"], found["synthetic.output_tokens"]) == (forms, forms)
    assert found["synthetic.turns"] == "must have min <= mean <= max"
    found |= problems(synthetic={"input_tokens": {"min": 9, "max": 5}, "output_tokens": {"min": 9}})
    assert found["synthetic.input_tokens"] == "must have min <= max"
    assert found["synthetic.output_tokens"] == forms
    assert problems(synthetic={"input_tokens": {"min": 1, "max": 9, "stdev": 2}}) == {
        "synthetic.input_tokens": "stdev belongs to a mean"
    }
    assert found["synthetic.think_s.choices[0].weight"] == "must be more than 0"
    assert found["synthetic.shared_prefix"] == "give either tokens or hit_fraction"
    assert "synthetic.suffix" in found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input_tokens": 0}, "input_tokens must be at least 1"),
        ({"input_tokens": [5, 0.2]}, "input_tokens must be at least 1"),
        ({"input_tokens": 90, "shared_prefix": {"tokens": 90}}, "leaves nothing of input_tokens, which may be 90"),
        ({"input_tokens": {"mean": 90, "stdev": 9}, "shared_prefix": {"tokens": 9}}, "which may be 1"),
        ({"input_tokens": 9, "output_tokens": 0, "turns": 0}, "output_tokens must be at least 1; turns must be"),
        ({"input_tokens": 9, "turns": 2, "shared_prefix": {"hit_fraction": 0.5}}, "turn_tokens is needed beside"),
    ],
)
def test_amounts_that_cannot_be_are_refused(fields, words):
    assert words in problems(synthetic=fields)["synthetic"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"file": "x"}, "file and format belong together"),
        ({"file": "x", "format": "azure", "block_tokens": 16}, "block_tokens and unit_s belong to"),
        ({"file": "x", "format": "jsonl", "max_turns": 1}, "max_turns belongs to the format sharegpt"),
        ({"prompts": ["a"], "loras": {"a": 0}}, "loras.a: must be more than 0"),
        (
            {"conversations": [{"turns": [{"prompt": "a"}], "at_s": 1}, {"turns": [{"prompt": "b"}]}]},
            "either all have at_s or none",
        ),
        (
            {"conversations": [{"turns": [{"prompt": "a"}], "at_s": 2}, {"turns": [{"prompt": "b"}], "at_s": 1}]},
            "at_s goes backwards",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields, words):
    assert words in problems(**fields)[""]


def test_a_conversation_in_a_file_has_turns_with_thinking_between_them():
    workload = Workload.model_validate(
        {"name": "w", "conversations": [{"turns": [{"prompt": "Hello"}, {"prompt": "And?", "think_s": 3}]}]}
    )
    assert workload.conversations[0].turns[1].think_s == 3


def test_every_trace_of_blocks_has_a_block_size():
    assert set(BLOCK_TOKENS) < set(FILE_FORMATS)
