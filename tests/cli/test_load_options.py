"""What the load options of `infercli bench` mean together, and what of them is refused before anybody is asked."""

from __future__ import annotations

import json

import pytest

from infercli.errors import ExitCode
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

NOBODY = "http://127.0.0.1:9"
"""No option that is wrong gets so far as to ask it."""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--rate inf", "--rate inf: must be a number; all at once is --concurrency N --requests N"),
        ("--rate 1e-300", "a rate of 1e-300 requests/s is less than one in eleven days"),
        ("--rate 2 --ramp-to nan --duration 1s", "--ramp-to nan: must be a number"),
        ("--rate 2 --burstiness inf", "--burstiness inf: must be a number; gaps that are all the same are --arrivals"),
        ("--rate 2 --burstiness 1e308", "--burstiness 1e+308: must be between 0.01 and 1,000,000"),
        ("--rate 2 --burstiness 1e-9", "--burstiness 1e-09: must be between"),
        ("--replay --workload x --speed inf", "--speed inf: must be a number"),
        ("--duration 0", "--duration 0: must be more than 0"),
        ("--duration 5parsecs", "--duration: `5parsecs` is not a duration"),
        ("--duration 9s --warmup 1x --cooldown 2x", "--cooldown: `2x` is not a duration"),
        ("--duration 0s --requests 3", "--duration 0s: must be more than 0"),
        ("--timeout 0", "--timeout 0: must be more than 0"),
        ("--burstiness 0.5", "--burstiness needs a --rate"),
        ("--sweep --burstiness 0.5", "--burstiness needs a --rate"),
        ("--arrivals constant", "--arrivals needs a --rate"),
        ("--rate 2 --burstiness 2 --arrivals poisson", "--burstiness and --arrivals cannot be given together"),
        ("--stop-when-saturated", "--stop-when-saturated needs a --rate or --replay"),
        ("--speed 2", "--speed needs --replay"),
        ("--format jsonl", "--format needs a --workload"),
        ("--tokenizer endpoint", "--tokenizer needs --input-len or a --workload"),
        ("--cooldown 1s", "--cooldown needs a --duration, or as a number --requests"),
        ("--requests 9 --cooldown 1s", "--cooldown 1s is a time, and --requests ends by a number"),
        ("--requests 9 --cooldown 9", "--cooldown 9 leaves nothing of --requests 9 to measure"),
        (
            "--duration 9s --cooldown 2",
            "--cooldown 2 is a number of requests, and --duration a time: write --cooldown 2s",
        ),
        ("--replay --workload x --requests 9 --cooldown 2", "--replay takes no --cooldown by number"),
        ("--duration 3s --warmup 2s --cooldown 1s", "--warmup and --cooldown leave nothing of --duration 3s"),
        ("--replay --workload x --warmup 4", "write its --warmup as a time, not 4 requests"),
        ("--api embeddings --max-tokens 5", "--max-tokens is about answers, and an embedding has no tokens of its own"),
        ("--api embeddings --ignore-eos", "--ignore-eos is about answers"),
        ("--api embeddings --slo ttft_p95=1s", "TTFT p95 within 1 s: an embedding has no tokens of its own: write an"),
        ("--api embeddings --objectives interactive --rate 2", "TPOT p99 within 30 ms: an embedding has no tokens"),
        ("--workload nope.jsonl", "nope.jsonl: there is no such file"),
        ("--workload . --format mooncake", ".: is a directory"),
        ("--output-len 10 --max-tokens 20", "--output-len and --max-tokens cannot be given together"),
        ("--workload chat --input-len 5", "--workload and --input-len cannot be given together"),
        ("--workload chat --output-len 5", "--workload and --output-len cannot be given together"),
        ("--words 5 --input-len 5", "--input-len and --words cannot be given together"),
        ("--lora sql=many", "--lora sql=many: `many` is no number"),
        ("--telemetry none --metrics-url http://a", "--telemetry none and --metrics-url cannot be given together"),
    ],
)
def test_what_contradicts_itself_or_has_no_effect_is_refused_in_the_words_that_were_typed(options, words, infercli):
    ran = infercli("bench", NOBODY, *options.split())
    assert ran.code == ExitCode.USAGE
    assert words in ran.err
    assert "_s " not in ran.err


def test_what_embeddings_do_not_have_is_refused_where_the_workload_says_that_they_are_asked_for(infercli, tmp_path):
    (tmp_path / "w.yaml").write_text(
        "apiVersion: infercli/v1\nkind: Workload\nname: w\napi: embeddings\nprompts: [a]\n"
    )
    with FakeOpenAiServer() as server:
        ran = infercli("bench", server.url, "--workload", "w.yaml", "--slo", "tpot_p95=1s")
        assert not [s for s in server.served if s.path.endswith("/embeddings")]
        assert ran.code == ExitCode.USAGE
        assert "TPOT p95 within 1 s: an embedding has no tokens of its own" in ran.err
        ran = infercli("bench", server.url, "--workload", "w.yaml", "--slo", "e2e_p95=9s", "--rate", "50")
        assert "holds: E2E p95 within 9 s" in ran.out


def test_all_that_is_wrong_is_said_at_once(infercli):
    ran = infercli("bench", NOBODY, "--speed", "2", "--arrivals", "constant", "--timeout", "0", "--slo", "nonsense")
    for words in ("--speed needs", "--timeout 0", "--slo: "):
        assert words in ran.err
    assert "--arrivals needs" not in ran.err  # an objective without a load is a search by rates


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ('{"prompt": "a", "max_tokens": 40}\n{"prompt": "b", "output_tokens": 2}\n{"prompt": "c"}\n', [3, 2, 3]),
        ('{"prompt": "a", "max_tokens": 1}\n', [1]),
    ],
)
def test_an_explicit_limit_of_answers_goes_before_the_workloads_own(text, sent, infercli, tmp_path):
    (tmp_path / "p.jsonl").write_text(text)
    words = ["--workload", "p.jsonl", "--format", "jsonl", "--max-tokens", "3", "--concurrency", "1", "--warmup", "0"]
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        ran = infercli("bench", server.url, *words, "--requests", str(len(sent)), "-o", "json")
        assert [s.body["max_tokens"] for s in server.completion_requests] == sent
    assert ("answers of more than 3 tokens cut to that" in ran.out) is ("40" in text)


def test_a_rate_of_conversations_is_called_one(infercli, tmp_path):
    turns = "conversations: [{turns: [{prompt: a}, {prompt: b}, {prompt: c}]}]"
    (tmp_path / "w.yaml").write_text(f"apiVersion: infercli/v1\nkind: Workload\nname: w\n{turns}\n")
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        words = ["bench", server.url, "--workload", "w.yaml", "--requests", "2", "--warmup", "0", "--save", "r.json"]
        open_loop = infercli(*words, "--rate", "50")
        assert len(server.completion_requests) == 6
        assert "6 of 6 requests answered" in open_loop.out
        assert ", 50 conversations/s\n" in open_loop.out
        assert json.loads(infercli("report", "r.json", "--export", "vllm").out)["request_rate"] is None
        assert ", 1 at a time" in infercli(*words, "--concurrency", "1").out
        assert len(server.completion_requests) == 8
        single = infercli("bench", server.url, "--rate", "50", "--requests", "2", "--warmup", "0")
        assert ", 50 requests/s\n" in single.out


def test_the_share_of_a_prefix_is_of_what_was_sent(infercli, tmp_path):
    def text(**prefix):
        made = {"input_tokens": 40, "turns": 6, "turn_tokens": 5, "shared_prefix": prefix}
        return json.dumps({"apiVersion": "infercli/v1", "kind": "Workload", "name": "w", "synthetic": made})

    def bench(name, prefix, *more):
        (tmp_path / name).write_text(text(**prefix))
        ran = infercli("bench", server.url, "--workload", name, "--warmup", "0", "-o", "json", *more)
        return json.loads(ran.out)["prompts"]

    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        closed = ("--concurrency", "1", "--requests", "96")
        fixed = bench("a.yaml", {"tokens": 20, "groups": 16}, *closed)
        # 96 requests of 6 turns are 16 conversations, each the first of its group.
        assert (fixed["count"], fixed["prefix"]) == (96, {"tokens": 20, "first_prompts": 16, "sent_before": 0})
        # Half of the tokens of 16 prompts, of which 14 share: 0.5 x 16 x 40 / 14 = 22.9.
        share = bench("b.yaml", {"hit_fraction": 0.5, "groups": 2}, *closed)
        assert share["prefix"] == {"tokens": 23, "first_prompts": 16, "sent_before": 14}
        # In an open loop they are conversations.
        open_loop = bench("a.yaml", {"tokens": 20, "groups": 16}, "--rate", "100", "--requests", "20")
        assert (open_loop["count"], open_loop["prefix"]["sent_before"]) == (120, 4)
        assert "4 of 20 first prompts began with a shared prefix that had been sent before" in " ".join(
            infercli("report", "result.json").out.split()
        )


def test_objectives_that_are_not_shipped_are_answered_with_those_that_are(infercli):
    ran = infercli("bench", NOBODY, "--objectives", "nope")
    assert ran.code == ExitCode.USAGE
    assert "unknown set of objectives `nope`" in ran.err
    assert all(f"`{name}`" in ran.err for name in ("conversational", "interactive", "long-input"))


def test_of_a_replayed_trace_as_much_is_written_as_the_duration_takes(infercli, tmp_path):
    lines = [f'{{"timestamp": {at_ms}, "input_length": 9, "output_length": 1}}\n' for at_ms in range(0, 10_000, 100)]
    (tmp_path / "trace.jsonl").write_text("".join(lines))
    words = ("--workload", "trace.jsonl", "--format", "mooncake", "--replay", "--duration", "0.5s", "--speed", "2")
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        ran = infercli("bench", server.url, *words, "--telemetry", "none", "-o", "json")
    prompts = json.loads(ran.out)["prompts"]
    assert (prompts["count"], "10 requests over 0.9 s" in prompts["source"]) == (10, True)
    assert len(server.completion_requests) == 10


@pytest.mark.parametrize(
    ("load", "count"),
    [
        (("--rate", "20", "--duration", "0.5s"), 48),  # 10, up to 34 by chance, 4 to warm up
        (("--concurrency", "2"), 68),
        (("--sweep",), 512),
    ],
)
def test_of_a_trace_that_is_not_replayed_as_much_is_written_as_will_be_sent(load, count, infercli, tmp_path):
    lines = [f'{{"timestamp": {at_ms}, "input_length": 9, "output_length": 1}}\n' for at_ms in range(1000)]
    (tmp_path / "trace.jsonl").write_text("".join(lines))
    words = ("--workload", "trace.jsonl", "--format", "mooncake", *load)
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        ran = infercli("bench", server.url, *words, "--telemetry", "none", "-o", "json")
    prompts = json.loads(ran.out)["prompts"]
    assert prompts["count"] == count


@pytest.mark.parametrize("words", [("--words", "3000000000"), ("--input-len", "3000000000")])
def test_more_text_than_memory_holds_is_refused_before_it_is_written(words, infercli):
    with FakeOpenAiServer() as server:
        ran = infercli("bench", server.url, *words, "--requests", "1")
    assert ran.code == ExitCode.USAGE
    assert "tokens in all are more than can be held" in ran.err


def test_a_sweep_that_its_requests_ended_is_not_called_saturated(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2, ttft_s=0.05)) as server:
        ran = infercli("bench", server.url, "--sweep", "--requests", "2", "--warmup", "0", "--telemetry", "none")
    for shown in (ran, infercli("report", "result.json")):
        said = " ".join(shown.out.split())
        assert "the sweep ended at 2 at a time, before it was seen where more users bring no more: 4 need more" in said
        assert "saturated" not in said
