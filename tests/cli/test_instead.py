"""What users of other programs type: each is answered with what it is here, all of it at once."""

from __future__ import annotations

import re

import click
import pytest

from infercli.cli import (
    bench,
    compare,
    delete,
    deploy,
    diff,
    estimate,
    history,
    logs,
    plan,
    render,
    report,
    rollback,
    status,
)
from infercli.cli.main import _ELSEWHERE, COMMANDS, main
from infercli.errors import ExitCode
from tests.fakes.openai_server import FakeOpenAiServer

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--api-key", "INFERCLI_API_KEY_FILE"),
        ("--num-prompts", "write --requests"),
        ("--endpoint", "write --api chat"),
        ("--dataset-name", "write --workload"),
        ("--backend", "write --api chat"),
        ("--result-filename", "write --save FILE"),
        ("--percentile-metrics", "leave it out"),
        ("--isl", "write --input-len"),
        ("--max-seconds", "write --duration"),
        ("--temperature", "write --extra-body '{\"temperature\": 0.7}'"),
        ("-H", "write --header"),
        ("-u", "the URL is the first word"),
    ],
)
def test_an_option_of_another_load_generator_is_answered_with_what_it_is_here(option, hint, infercli):
    ran = infercli("bench", NOBODY, option, "3")
    assert ran.code == ExitCode.USAGE
    assert hint in ran.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("plan m --num-gpus 8", "write --profile h100-x8"),
        ("plan m --request-latency 12000", "write --slo ttft_p95=1s --slo tpot_p95=50ms"),
        ("plan m --prefill-num-workers 2", "each engine prefills and decodes"),
        ("plan m -tp 2", "write --tensor-parallel-size"),
        ("estimate --system h100_sxm", "write --gpu"),
        ("estimate --pretty", "write -o text"),
        ("estimate Qwen/Qwen3-8B --gpu H100", "write --model Qwen/Qwen3-8B"),
    ],
)
def test_an_option_of_another_planner_is_answered_with_what_it_is_here(words, hint, infercli):
    ran = infercli(*words.split())
    assert ran.code == ExitCode.USAGE
    assert hint in ran.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("deploy --wait --set replicas=2", "--set: write it to deployment.yaml"),
        ("deploy -auto-approve", "leave it out: only `infercli delete` and `infercli local stop` ask first"),
        ("deploy chat", "the release is the one that deployment.yaml names: leave `chat` out, or write -f FILE"),
        ("diff deployment.yaml", "leave `deployment.yaml` out, or write -f FILE"),
        ("rollback chat 3", "the revision is a flag here: write --to 3"),
        ("rollback chat --to-revision 3", "`infercli rollback --to REVISION` goes back to one"),
        ("status -w", "`watch infercli status` asks again and again"),
        ("status --kube-context prod", "write --context"),
        ("logs chat --tail 10", "`infercli logs --lines N` prints as many of the newest"),
        ("delete chat --force", "write --yes"),
        ("delete chat -auto-approve", "write --yes"),
        ("plan --out plan.json", "write --save FILE, or -o json"),
        ("plan -out=plan.json", "write --save FILE, or -o json"),
        ("bench chat -o result.json", "write --save FILE"),
        ("report result.json -o report.html", "write --html FILE for a page; -o json > FILE for the numbers"),
        ("compare a.json b.json -o c.html", "write --html FILE for a page"),
        ("logs -f", "`infercli logs --help`"),
    ],
)
def test_words_of_helm_kubectl_or_terraform_are_answered_with_what_they_are_here(words, hint, infercli):
    ran = infercli(*words.split())
    assert ran.code == ExitCode.USAGE
    assert hint in ran.err


@pytest.mark.parametrize(
    ("verb", "here"),
    [
        ("recommend", "plan"),
        ("serve", "deploy"),
        ("benchmark", "bench"),
        ("upgrade", "deploy"),
        ("destroy", "delete"),  # whose nearest name is `deploy`
        ("get", "status"),
        ("undo", "rollback"),
        ("template", "render"),
    ],
)
def test_a_verb_of_another_program_is_answered_with_what_does_it_here(verb, here, infercli):
    ran = infercli(verb, "--model", "x")
    assert ran.code == ExitCode.USAGE
    assert ran.err == f"error: unknown command `{verb}`\nhint: `infercli {here} --help`\n"


@pytest.mark.parametrize(("verb", "option"), [("help", "--help"), ("version", "--version")])
def test_what_is_a_verb_elsewhere_and_an_option_here_is_answered_with_that(verb, option, infercli):
    ran = infercli(verb)
    assert ran.code == ExitCode.USAGE
    assert ran.err == f"error: unknown command `{verb}`\nhint: `infercli {option}`\n"


def test_what_is_offered_instead_of_a_verb_is_one():
    assert not _ELSEWHERE.keys() & COMMANDS.keys()
    assert set(_ELSEWHERE.values()) <= {*COMMANDS, "--help", "--version"}


def test_a_whole_command_of_another_program_is_answered_at_once(infercli):
    words = "serve --base-url http://h --dataset-name=random --random-input-len 512 --seed 1"
    ran = infercli("bench", *words.split())
    assert ran.code == ExitCode.USAGE
    assert "error: not of this program: serve --base-url --dataset-name --random-input-len\n" in ran.err
    for hint in ("serve: leave it out", "--base-url: the URL", "--random-input-len: write --input-len\n"):
        assert f"hint: {hint}" in ran.err


def test_an_option_that_is_one_here_too_is_not_called_another_programs(infercli):
    ran = infercli("bench", "chat", "--target", "local", "--num-prompts", "3", "--isl", "9")
    assert "not of this program: --num-prompts --isl\n" in ran.err


def test_an_option_that_nobody_knows_is_answered_with_what_is_spelt_alike(infercli):
    ran = infercli("bench", NOBODY, "--reqests", "3", "--num-prompts", "3")
    assert "Did you mean '--requests'?" in ran.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--concurrency", "1,2"], "write --concurrency 1 --concurrency 2"),
        (["--rate=0.5,1"], "write --rate 0.5 --rate 1"),
        (["--target", NOBODY], "the URL is the first word: `infercli bench http://127.0.0.1:8000`"),
        (["--requests", "1,2"], "`infercli bench --help`"),
        (["--target", "elsewhere", "--rate", "1"], "the URL is the first word: `infercli bench http://127.0.0.1:8000`"),
    ],
)
def test_a_value_that_is_not_taken_is_answered_with_what_is_meant(words, hint, infercli):
    ran = infercli("bench", *words)
    assert ran.code == ExitCode.USAGE
    assert f"hint: {hint}\n" in ran.err


@pytest.mark.parametrize(
    ("words", "taken"), [("--input-len 2k --output-len 1K", True), ("--input-len 0", False), ("--input-len x", False)]
)
def test_lengths_may_be_typed_short_where_something_is_measured_too(words, taken, infercli):
    ran = infercli("bench", "http://127.0.0.1:1", *words.split())
    assert ("nothing listens at" in ran.err) is taken
    assert ("Invalid value for '--input-len'" in ran.err) is not taken


def test_a_tokenizer_by_its_name_on_the_hub_is_answered_with_whom_to_ask(infercli):
    with FakeOpenAiServer() as server:
        ran = infercli("bench", server.url, "--input-len", "9", "--tokenizer", "Qwen/Qwen3-8B")
    assert ran.code == ExitCode.USAGE
    assert "--tokenizer endpoint asks a server that has /tokenize" in ran.err


@pytest.mark.parametrize(
    ("variable", "verb", "flag"),
    [
        ("INFERCLI_STATUS_TARGET", "status", "--target"),
        ("INFERCLI_PLAN_CONCURRENCY", "plan", "--concurrency"),
        ("INFERCLI_BENCH_RATE", "bench", "--rate"),
    ],
)
def test_a_value_of_the_environment_that_is_not_taken_is_a_usage_error(variable, verb, flag, infercli, monkeypatch):
    monkeypatch.setenv(variable, "x")
    ran = infercli(verb)
    assert ran.code == ExitCode.USAGE
    assert flag in ran.err.splitlines()[0]


def options(command):
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize(
    "verb", [bench, compare, delete, deploy, diff, estimate, history, logs, plan, render, report, rollback, status]
)
def test_what_is_offered_instead_of_an_option_is_one(verb):
    """A hint names options of its own verb, of one that it names behind a backtick, or estimate's where it says so."""
    # An option here, whose other values are another program's.
    assert set(verb.command.instead) & options(verb.command) <= {"--target", "--output", "--exit-code", "-y", "--yes"}
    for hint in verb.command.instead.values():
        own = re.sub(r"`infercli (\w+) [^`]*`", "", hint)
        for command, words in re.findall(r"`infercli (\w+) ([^`]*)`", hint):
            there = main.get_command(click.Context(main), command)
            assert there is not None
            assert {word for word in words.split() if word.startswith("--")} <= options(there)
        known = options(verb.command) | (options(estimate.command) if "`infercli estimate`" in hint else set())
        words = {word.strip(",:;`") for word in own.split()}
        assert {word for word in words if word.startswith("--")} <= known
    assert "INFERCLI_API_KEY" in str(bench.command.help)
