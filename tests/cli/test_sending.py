from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import pytest

from infercli.adapters.files import read_document, shipped
from infercli.adapters.openai_api import OpenAiApi
from infercli.adapters.tokenizer import open_tokenizer
from infercli.cli.project import load_objectives
from infercli.cli.sending import GENERATOR, conversations_for, tokenizer_for
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.sending import fresh
from infercli.core.load.workload import Workload
from infercli.core.record import digest
from infercli.errors import InputError, InvalidFile, UnknownName
from tests.fakes.openai_server import FakeOpenAiServer
from tests.parts.bpe import Counted, tokenizer_json


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lengths(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json("byte level"))
    return open_tokenizer(tmp_path / "tokenizer.json")


def workload(text: str, name="w.yaml") -> str:
    from pathlib import Path

    Path(name).write_text(f"apiVersion: infercli/v1\nkind: Workload\nname: w\n{text}\n")
    return name


def prompts(conversations) -> list:
    return [t.prompt for c in conversations for t in c.turns]


def test_without_a_workload_prompts_are_of_words_or_of_exact_tokens(lengths):
    sent = conversations_for(None, seed=3, count=5)
    assert [len(p.split()) for p in prompts(sent.conversations)] == [64] * 5
    assert sent.source == "synthetic (64 words, seed 3)"
    sent = conversations_for(None, input_tokens=100, output_tokens=20, count=5, lengths=lengths)
    assert lengths.lengths(prompts(sent.conversations)) == [100] * 5
    assert {c.turns[0].max_tokens for c in sent.conversations} == {20}
    assert sent.source.startswith("synthetic, seed 0; first prompts of 100 tokens (exactly, by ")
    assert len(conversations_for(None).conversations) == 64
    assert conversations_for(None, words=5, output_tokens=9).max_tokens == 9


def test_prompts_of_a_file_are_sent_as_they_are():
    given = workload("prompts: [a, b, c]\nmax_tokens: 7\napi: completions")
    sent = conversations_for(given)
    assert prompts(sent.conversations) == ["a", "b", "c"]
    assert (sent.source, sent.max_tokens, sent.api, sent.written) == ("workload w", 7, "completions", False)
    assert prompts(conversations_for(given, count=2).conversations) == ["a", "b"]
    assert conversations_for(given, api="chat").api == "chat"


def test_conversations_of_a_file_keep_their_times():
    given = workload("conversations:\n- at_s: 0\n  turns: [{prompt: a}, {prompt: b, think_s: 2}]")
    (conversation,) = conversations_for(given).conversations
    assert (conversation.at_s, conversation.turns[1].think_s) == (0.0, 2.0)


def test_a_trace_beside_the_workload_file_is_replayed(lengths, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "t.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5,40,9\n2023-11-16 18:15:47,50,0\n"
        "2023-11-16 18:15:48,60,3\n"
    )
    given = workload("file: t.csv\nformat: azure", "w/w.yaml")
    sent = conversations_for(given, lengths=lengths)
    assert [(c.at_s, c.turns[0].max_tokens) for c in sent.conversations] == [(0.0, 9), (1.5, 3)]
    assert lengths.lengths(prompts(sent.conversations)) == [40, 60]
    assert "azure t.csv, seed 0 (1 request without input or output left out); 2 requests over 1.5 s" in sent.source
    assert len(conversations_for(given, count=1).conversations) == 1
    assert prompts(conversations_for("w/t.csv", data_format="azure", lengths=lengths).conversations) == prompts(
        sent.conversations
    )


def test_a_mooncake_trace_may_have_another_unit_and_block_size(lengths, tmp_path):
    rows = [{"timestamp": t, "input_length": 96, "output_length": 2, "hash_ids": [1, 2, t + 3]} for t in range(2)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = workload("file: t.jsonl\nformat: mooncake\nblock_tokens: 32\nunit_s: 10")
    sent = conversations_for(given, lengths=lengths)
    assert [c.at_s for c in sent.conversations] == [0.0, 10.0]
    assert "33% of them in prefixes that were sent before" in sent.source  # 64 of 192 tokens


def test_sharegpt_answers_may_be_as_long_as_they_were_where_tokens_can_be_counted(lengths, tmp_path):
    talk = [
        {"from": "human", "value": "time"},
        {"from": "gpt", "value": "year people way"},
        {"from": "human", "value": "x"},
    ]
    (tmp_path / "s.json").write_text(
        json.dumps([{"conversations": talk}, {"conversations": []}, {"conversations": talk}])
    )
    sent = conversations_for("s.json", data_format="sharegpt", lengths=lengths)
    assert [[t.max_tokens for t in c.turns] for c in sent.conversations] == [[3, None], [3, None]]
    assert "(1 conversation without a question left out), answers as long as they were, by" in sent.source
    one_turn = workload("file: s.json\nformat: sharegpt\nmax_turns: 1")
    sent = conversations_for(one_turn)
    assert [[(t.prompt, t.max_tokens) for t in c.turns] for c in sent.conversations] == [[("time", None)]] * 2


def test_json_lines_and_promptfoo_are_read_too(tmp_path):
    (tmp_path / "p.jsonl").write_text('\ufeff{"prompt": "a", "max_tokens": 3}\n{"prompt": "b"}\n', encoding="utf-8")
    assert prompts(conversations_for("p.jsonl", data_format="jsonl").conversations) == ["a", "b"]
    (tmp_path / "f.yaml").write_text("prompts: ['{{a}}!']\ntests: [{vars: {a: [x, y]}}]\n")
    assert prompts(conversations_for("f.yaml", data_format="promptfoo").conversations) == ["x!", "y!"]


@pytest.mark.parametrize("data_format", ["jsonl", "sharegpt", "mooncake", "promptfoo"])
def test_a_workload_that_nobody_may_ever_write_is_not_waited_for(tmp_path, data_format):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is a named pipe"):
        conversations_for("pipe", data_format=data_format)


def test_a_mix_of_adapters_is_spread_over_the_conversations():
    given = workload("prompts: [a]\nloras: {base: 1, french: 1}")
    long = workload("synthetic: {input_tokens: 5}\nloras: {base: 1, french: 1}", "long.yaml")
    assert {c.model for c in conversations_for(long, count=60).conversations} == {None, "french"}
    assert conversations_for(given, loras={"german": 1}).conversations[0].model == "german"


@pytest.mark.parametrize("seed", range(5))
def test_adapters_have_their_shares_in_every_stretch_of_a_run_and_in_no_fixed_order(seed):
    quarter = conversations_for(None, loras={"sql": 1, "base": 3}, count=68, seed=seed)
    models = [c.model for c in quarter.conversations]
    # A measured part begins after the warm-up.
    assert models[4:].count("sql") == 16
    assert models[:36].count("sql") == 9
    assert len({tuple(models[at : at + 4]) for at in range(0, 68, 4)}) > 1
    assert quarter.source.endswith("; spread over sql=1, base=3")
    # The first ones do not depend on how many there are.
    few = conversations_for(None, loras={"sql": 1, "base": 3}, count=30, seed=seed)
    assert [c.model for c in few.conversations] == models[:30]
    uneven = [c.model for c in conversations_for(None, loras={"a": 2, "b": 1.5, "c": 0.1}, count=360).conversations]
    assert [uneven.count(name) for name in "abc"] == [200, 150, 10]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"workload": "t.csv"}, "t.csv is data, and nothing says in what format"),
        ({"workload": "p.txt"}, "p.txt is data, and nothing says in what format"),
        ({"workload": "missing.yaml"}, "missing.yaml: there is no such file"),
        ({"workload": "none.jsonl", "data_format": "jsonl"}, "none.jsonl: there is no such file"),
        ({"workload": "chat", "api": "completions"}, "some prompts are messages"),
    ],
)
def test_what_cannot_be_sent_is_said(tmp_path, arguments, words):
    (tmp_path / "t.csv").write_text("x")
    (tmp_path / "p.txt").write_text("x")
    with pytest.raises(InputError) as caught:
        conversations_for(**arguments)
    assert words in caught.value.message
    assert caught.value.hint or "no such file" in words


def test_an_unknown_name_is_answered_with_those_that_are_near():
    with pytest.raises(UnknownName, match="unknown workload `chatt`") as caught:
        conversations_for("chatt")
    assert "`chat`" in caught.value.hint


def test_a_file_that_is_not_text_and_damaged_lines_are_said_with_the_files_name(tmp_path):
    (tmp_path / "b.jsonl").write_bytes(b'{"prompt": "a"}\n\xff\xfe\n')
    with pytest.raises(InvalidFile, match=r"b.jsonl: is not UTF-8 text"):
        conversations_for("b.jsonl", data_format="jsonl")
    (tmp_path / "d.jsonl").write_text('{"prompt": "a"}\n{"prompt": 7}\n')
    with pytest.raises(InvalidFile, match=r"d.jsonl: line 2: prompt: must be text"):
        conversations_for("d.jsonl", data_format="jsonl")


class Forbidden:
    """A tokenizer that may say who it is and nothing else."""

    def __init__(self, like) -> None:
        self.name, self.digest = like.name, like.digest

    def lengths(self, texts):
        raise AssertionError("tokens were counted again")


@pytest.mark.parametrize("given", ["rag", "trace"])
def test_what_was_written_once_costs_no_tokenizer_the_next_time(lengths, tmp_path, monkeypatch, given):
    said = []
    monkeypatch.setattr("infercli.cli.progress.working", lambda what: said.append(what) or contextlib.nullcontext())
    if given == "trace":
        (tmp_path / "t.jsonl").write_text('{"timestamp": 0, "input_length": 90, "output_length": 1, "hash_ids": [1]}\n')
        given = workload("file: t.jsonl\nformat: mooncake")
    first = conversations_for(given, count=4, lengths=lengths)
    assert conversations_for(given, count=4, lengths=Forbidden(lengths)) == first
    assert said == ["writing prompts"]
    for other in ({"seed": 1}, {"count": 3} if given == "rag" else {"seed": 2}):
        with pytest.raises(AssertionError, match="counted again"):
            conversations_for(given, **{"count": 4, **other}, lengths=Forbidden(lengths))


def test_a_kept_entry_that_was_damaged_is_written_again(lengths, tmp_path):
    first = conversations_for(None, input_tokens=50, count=4, lengths=lengths)
    (entry,) = (tmp_path / "cache" / "infercli" / "prompts").iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(whole.replace(b"time", b"tame"))
    assert conversations_for(None, input_tokens=50, count=4, lengths=lengths) == first
    assert entry.read_bytes() == whole


def test_text_that_is_another_than_before_has_another_number_so_that_what_was_kept_is_not_used(lengths):
    written = [conversations_for(given, seed=1, input_tokens=tokens, count=6, lengths=lengths) for given, tokens in (
        (None, 50), ("rag", None), ("agent", None),
    )]  # fmt: skip
    later = [fresh(sent, stage) for sent in written for stage in (1, 100)]
    text = digest([prompts(c) for c in [*(sent.conversations for sent in written), *later]])
    assert {GENERATOR: text[:12]} == {3: "65ed073a9e18"}, "the text is another: raise GENERATOR, and write both here"


def test_where_nothing_can_be_kept_the_benchmark_goes_on_and_says_so(lengths, tmp_path, capsys):
    (tmp_path / "cache").write_text("in the way")
    sent = conversations_for(None, input_tokens=50, count=2, lengths=lengths)
    assert lengths.lengths(prompts(sent.conversations)) == [50, 50]
    assert "the prompts are not kept for the next run" in capsys.readouterr().err


def test_text_of_the_users_is_never_kept(lengths, tmp_path):
    (tmp_path / "s.json").write_text('[{"conversations": [{"from": "human", "value": "a secret"}]}]')
    conversations_for("s.json", data_format="sharegpt", lengths=lengths)
    conversations_for("chat", lengths=lengths)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", sorted(p.stem for p in shipped("workloads").glob("*.yaml")))
def test_a_shipped_workload_is_sent_by_its_name(name):
    sent = conversations_for(name, count=6)
    assert len(sent.conversations) == 6
    assert sent.source.startswith(f"workload {name}")
    assert sent.api == read_document(shipped("workloads") / f"{name}.yaml", Workload).api
    stages = [prompts(fresh(sent, stage))[0] for stage in range(3)]
    assert len(set(map(str, stages))) == 3


def test_objectives_are_found_by_name_or_path(tmp_path):
    assert load_objectives("interactive").name == "interactive"
    (tmp_path / "mine.yaml").write_text("apiVersion: infercli/v1\nkind: Objectives\nname: mine\n")
    assert load_objectives("mine.yaml").success_fraction == 0.999
    with pytest.raises(UnknownName, match="unknown set of objectives `interactiv`"):
        load_objectives("interactiv")


def test_a_tokenizer_is_a_path_an_endpoint_the_pinned_models_or_none(lengths, tmp_path):
    assert tokenizer_for("none") is None
    assert tokenizer_for(None) is None
    assert tokenizer_for(str(tmp_path)).lengths(["time"]) == [1]
    with pytest.raises(InputError, match="no tokenizer is at hand"):
        tokenizer_for("model")
    with pytest.raises(InputError, match="no tokenizer is at hand"):
        tokenizer_for("endpoint")
    with pytest.raises(InputError, match=r"elsewhere: there is no such file"):
        tokenizer_for("elsewhere")


def test_an_endpoint_counts_for_prompts_of_exact_lengths():
    with FakeOpenAiServer() as server:
        endpoint = OpenAiApi(parse_endpoint(server.url), timeout_s=10.0)
        counting = tokenizer_for("endpoint", endpoint=endpoint, served="tiny")
        sent = conversations_for(None, input_tokens=30, count=5, lengths=counting)
        # This server takes a word for a token.
        assert [len(p.split()) for p in prompts(sent.conversations)] == [30] * 5
        asked = len(server.served)
        assert conversations_for(None, input_tokens=30, count=5, lengths=counting) == sent
        assert len(server.served) == asked


def test_counting_is_asked_for_little_more_than_once_a_prompt():
    counting = Counted("metaspace")
    conversations_for(None, input_tokens=300, count=50, lengths=counting)
    # 128 words in two places, 128 groups of digits in three, and two more, once for all.
    assert counting.asked - (2 * 128 + 3 * 128 + 2) <= 2 * 50


def test_making_prompts_of_words_imports_no_tokenizer_and_little_else():
    code = (
        "import sys; from infercli.cli.sending import conversations_for, tokenizer_for; tokenizer_for(None); "
        "conversations_for(None); "
        "print([m for m in ('tokenizers', 'huggingface_hub', 'kubernetes', 'yaml', 'statistics') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert done.stdout.strip() == "[]"


ROOT = str(shipped("profiles").parent)
