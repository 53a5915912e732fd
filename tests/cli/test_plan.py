"""infercli plan, as it is typed."""

from __future__ import annotations

import json

import pytest

from infercli.errors import ExitCode


def plan(infercli, *words):
    ran = infercli("plan", *words, "-o", "json")
    return ran.code, json.loads(ran.out)


@pytest.mark.parametrize(
    ("model", "profile", "quantization", "code"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "l4", None, ExitCode.YES),
        ("meta-llama/Llama-3.1-8B-Instruct", "l4", "awq", ExitCode.YES),
        ("meta-llama/Llama-3.1-70B-Instruct", "a100-80", "awq", ExitCode.YES),
        ("meta-llama/Llama-3.1-70B-Instruct", "a100-80", None, ExitCode.NO),
        ("meta-llama/Llama-3.1-70B-Instruct", "h100-x2", "fp8", ExitCode.YES),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "a100-80", "awq", ExitCode.YES),
        ("Qwen/Qwen3-32B", "a100-80", "fp8", ExitCode.YES),
    ],
)
def test_the_verdict_is_the_exit_code_in_text_and_json(infercli, model, profile, quantization, code):
    words = [model, "--profile", profile, *(["--quantization", quantization] if quantization else [])]
    found, value = plan(infercli, *words)
    assert found == code
    assert value["fits"] is (code == ExitCode.YES)
    assert infercli("plan", *words).code == code


def test_a_no_names_the_missing_bytes_and_changes_that_would_fit(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-70B-Instruct", "--profile", "a100-80")
    assert "Missing: " in ran.out
    assert "--quantization awq" in ran.out


def test_fp8_on_an_a100_is_said_to_be_weight_only(infercli):
    assert "weight-only" in infercli("plan", "Qwen/Qwen3-32B", "--profile", "a100-80", "--quantization", "fp8").out


def test_a_plan_from_a_shape_says_that_it_cannot_be_deployed(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4")
    assert "unpinned: can be planned, not deployed" in ran.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("meta-lama/Llama-3.1-8B-Instruct", "--profile", "l4"), "meta-llama/Llama-3.1-8B-Instruct"),
        (("meta-llama/Llama-3.1-8B-Instruct", "--profile", "h100x2"), "`h100-x2`"),
        (("meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4", "--quantization", "awk"), "`awq`"),
    ],
)
def test_an_unknown_name_offers_the_nearest(infercli, words, expected):
    ran = infercli("plan", *words)
    assert ran.code == ExitCode.USAGE
    assert expected in ran.err


def test_a_model_without_a_profile_asks_for_one(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct")
    assert ran.code == ExitCode.USAGE
    assert "--profile" in ran.err


def test_without_a_deployment_file_init_is_named(infercli):
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    assert "infercli init" in ran.err


def test_every_mistake_of_a_deployment_file_is_told_at_once_with_its_path(infercli, deployment):
    deployment("name: Chat\nmodel: x\nprofile: l4\nreplicas: 0\nworkload: {input_tokens: many}\nquantisation: awq\n")
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    for expected in (
        "deployment.yaml: name: must be lower-case letters",
        "deployment.yaml: replicas: must be at least 1",
        "deployment.yaml: workload.input_tokens: must be a whole number",
        "deployment.yaml: quantisation: is not a key that is known here",
    ):
        assert expected in ran.err


def test_text_that_is_not_yaml_names_its_line(infercli, deployment):
    deployment("name: [chat\nmodel: x\n")
    assert "line " in infercli("plan").err


def test_an_unknown_engine_argument_offers_the_nearest_before_anything_is_deployed(infercli, deployment):
    deployment(
        "name: chat\nmodel: meta-llama/Llama-3.1-8B-Instruct\nprofile: l4\nengine_args: {max_model_length: 4096}\n"
    )
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    assert "max_model_len" in ran.err


def test_an_unpinned_plan_is_not_saved(infercli, deployment):
    deployment()
    ran = infercli("plan", "--save", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "infercli pin meta-llama/Llama-3.1-8B-Instruct" in ran.err
