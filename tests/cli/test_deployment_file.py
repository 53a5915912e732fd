"""What is wrong with a deployment.yaml, as commands say it."""

from __future__ import annotations

import pytest

from infercli.errors import ExitCode
from tests.cli.conftest import DEFAULT as DEPLOYMENT


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


def test_what_a_deployment_names_wrongly_is_told_with_what_has_no_form(infercli, deployment, tmp_path):
    engine_args = (
        "{max_model_length: 1, enforce_eager: 4, gpu_memory_utilization: 1.5, tensor_parallel_size: 0, block_size: 17, "
        "max_num_seqs: 2024-01-01, 7: 7}"
    )
    named = f"model: x\nprofile: h100x2\nquantization: awk\nengine_args: {engine_args}\n"
    more = "workload: {concurency: 4}\nobjectives: {ttft_p95_ms: 1s}\nquantisation: awq\nfront: 3\n"
    deployment(f"name: Chat\n{named}{more}").rename(tmp_path / "m.yaml")
    ran = infercli("plan", "-f", "m.yaml")
    assert ran.code == ExitCode.USAGE
    of_names = (
        "m.yaml: profile: unknown profile `h100x2`; did you mean `h100-x2`",
        "m.yaml: quantization: unknown quantization `awk`; did you mean `awq`?",
        "m.yaml: engine_args.max_model_length: vLLM 0.29.0 has no such argument; did you mean `max_model_len`",
        "m.yaml: engine_args.enforce_eager: must be bool",
        "m.yaml: engine_args.gpu_memory_utilization: must be at most 1",
        "m.yaml: engine_args.tensor_parallel_size: must be at least 1",
        "m.yaml: engine_args.block_size: must be a multiple of 16",
        "m.yaml: engine_args.max_num_seqs: must be int or null, and is date",
    )
    for expected in (
        "m.yaml: name: must be lower-case letters",
        "m.yaml: workload.concurency: is not a key that is known here; did you mean `concurrency`?",
        "m.yaml: objectives.ttft_p95_ms: must be a number of milliseconds, for example 1000",
        "m.yaml: quantisation: is not a key that is known here; did you mean `quantization`?",
        "m.yaml: front: must be a mapping",
        *of_names,
    ):
        assert expected in ran.err
    deployment(f"name: chat\n{named}".replace(", 7: 7", "")).rename(tmp_path / "m.yaml")
    for verb in ("plan", "render", "deploy"):
        ran = infercli(verb, "-f", "m.yaml")
        assert ran.code == ExitCode.USAGE
        assert all(expected in ran.err for expected in of_names), verb


@pytest.mark.parametrize("name", ["Foo_Bar", "-a", "a-", "a.b", "a" * 64])
def test_a_namespace_that_kubernetes_would_refuse_is_refused_where_it_is_written(infercli, deployment, name):
    deployment(f"name: chat\nmodel: x\nprofile: l4\nkubernetes: {{namespace: {name}, gateway_namespace: {name}}}\n")
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    assert f"deployment.yaml: kubernetes.namespace: Kubernetes takes no namespace `{name}`" in ran.err
    assert "deployment.yaml: kubernetes.gateway_namespace: Kubernetes takes no namespace" in ran.err
    for verb in ("plan", "render", "status"):
        typed = infercli(verb, "-n", name)
        assert typed.code == ExitCode.USAGE
        assert f"Kubernetes takes no namespace `{name}`" in typed.err


def test_names_and_references_that_a_cluster_would_refuse_are_refused_at_once(infercli, deployment):
    deployment(
        f"{DEPLOYMENT}kubernetes:\n"
        "  model_claim: Bad/Claim\n"
        "  keys_secret: Bad Secret\n"
        f"  image_pull_secrets: [fine, Bad_Secret, a..b, {'a' * 254}]\n"
        "  api_server_cidrs: [10.0.0.0/8, nope, 10.0.0.1, 10.0.0.0/255.0.0.0, 10.0.0.0/33]\n"
        f"  image: UPPER Case/ray-llm@sha256:{'a' * 64}\n"
    )
    ran = infercli("render")
    assert ran.code == ExitCode.USAGE
    for where in ("model_claim", "keys_secret", *(f"image_pull_secrets[{n}]" for n in (1, 2, 3))):
        assert f"deployment.yaml: kubernetes.{where}: Kubernetes takes no name `" in ran.err
    for n, cidr in enumerate(("nope", "10.0.0.1", "10.0.0.0/255.0.0.0", "10.0.0.0/33"), 1):
        assert f"deployment.yaml: kubernetes.api_server_cidrs[{n}]: `{cidr}` is no range of addresses" in ran.err
    assert "deployment.yaml: kubernetes.image: `UPPER Case/ray-llm` is no name of an image" in ran.err
    assert ran.err.count("deployment.yaml:") == 10


@pytest.mark.parametrize(
    ("image", "what"),
    [
        ("r.example/x@sha256:abc", "its digest must be 64 hex digits in lower case, and has 3 characters"),
        ("r.example/x@sha256:" + "A" * 64, "its digest must be 64 hex digits"),
        ("r.example/x:latest", "must be given by digest"),
        ("r.example/X@sha256:" + "a" * 64, "`r.example/X` is no name of an image"),
        ("r.example//x@sha256:" + "a" * 64, "is no name of an image"),
        ("https://r.example/x@sha256:" + "a" * 64, "is no name of an image"),
    ],
)
def test_an_image_that_no_registry_can_have_is_refused(infercli, deployment, image, what):
    deployment(f"{DEPLOYMENT}kubernetes: {{image: '{image}'}}\n")
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    assert "deployment.yaml: kubernetes.image: " in ran.err
    assert what in ran.err


@pytest.mark.parametrize("name", ["x", "r.example:5000/team/ray__llm-x", "[::1]:5000/x", "Registry.example/a.b:v1.2_3"])
def test_an_image_that_a_registry_may_have_is_taken(infercli, deployment, name):
    text = f"image: '{name}@sha256:{'a' * 64}', keys_secret: a.b-c, api_server_cidrs: ['10.1.2.3/8', '::/0']"
    deployment(f"{DEPLOYMENT}kubernetes: {{{text}}}\n")
    assert infercli("plan").code == ExitCode.YES


def test_numbers_that_nobody_means_are_refused_and_not_counted_out(infercli, deployment):
    huge = 99999999999999999999
    flags = ("--max-num-seqs", "--concurrency", "--input-len", "--output-len", "--replicas", "--max-model-len")
    typed = infercli("plan", "Qwen/Qwen3-8B", "--profile", "l4", *(word for flag in flags for word in (flag, huge)))
    assert typed.code == ExitCode.USAGE
    assert all(f"plan: {flag}: must be at most " in typed.err for flag in flags)
    deployment(
        f"name: chat\nmodel: x\nprofile: cpu-local\nreplicas: 5000000\nworkload: {{concurrency: {huge}}}\n"
        f"engine_args: {{max_num_seqs: {huge}, max_num_batched_tokens: {huge}}}\nfront: {{replicas: {huge}}}\n"
    )
    written = infercli("plan")
    assert written.code == ExitCode.USAGE
    for where in ("replicas", "workload.concurrency", "engine_args.max_num_seqs", "front.replicas"):
        assert f"deployment.yaml: {where}: must be at most 1" in written.err
    asked = infercli("estimate", "--model", "Qwen/Qwen3-8B", "--gpu", "L4", "--max-num-batched-tokens", huge)
    assert asked.code == ExitCode.USAGE
    assert "--max-num-batched-tokens: must be at most 1000000000" in asked.err


def test_a_name_is_told_all_the_rules(infercli, deployment):
    deployment(DEPLOYMENT.replace("name: chat", "name: a-"))
    assert (
        "name: must be lower-case letters, digits and `-`, begin with a letter, end with a letter"
        in infercli("plan").err
    )


def test_a_namespace_that_kubernetes_takes_is_taken(infercli, deployment):
    deployment(f"{DEPLOYMENT}kubernetes: {{namespace: 0-a, gateway_namespace: {'a' * 63}}}\n")
    assert infercli("plan").code == ExitCode.YES


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
