from __future__ import annotations

import base64
import random

import pytest

from infercli.core.bench.job import BenchJob, unpacked
from infercli.core.bench.levels import Levels
from infercli.core.documents.deployment import Kubernetes
from infercli.core.load.conversation import Conversation, Turn, single
from infercli.core.load.sending import Sending
from infercli.errors import InputError
from infercli.render.bench_job import bench_objects
from infercli.render.objects import static_objects, to_yaml
from tests.render.examples import CODE, IMAGE, plan
from tests.render.golden_cases import directory, golden_plan

APP = b"an example of a zip"
HEADER = """\
# The Job of `infercli bench chat --in-cluster` for the deployment.yaml beside it. An example: its image does not exist;
# the ConfigMap and the Secret that it mounts are not shown. Rewritten by `pytest tests/render --update-goldens`.
"""


def sent(*conversations):
    return Sending(conversations=conversations, source="a test")


def described(**changes):
    values = {
        "url": "http://chat-serve-svc.chat.svc:8000",
        "model": "chat",
        "api": "chat",
        "levels": Levels(shared={"requests": 64, "max_tokens": 128}, levels=({"concurrency": 16},)),
        "sending": sent(single("a prompt that is private")),
    }
    return BenchJob(**values | changes)


def rendered(job=None, app=APP, **kubernetes):
    the_plan = plan(kubernetes=Kubernetes(**{"image": IMAGE, **kubernetes}))
    return bench_objects(the_plan, "chat-ns", app, job or described())


def pod_of(objects):
    return objects[0]["spec"]["template"]["spec"]


def test_the_job_of_an_example_is_shown(golden):
    objects = bench_objects(golden_plan("l4-awq"), "chat", APP, described())
    golden(directory("l4-awq") / "bench-job.yaml", HEADER + to_yaml(objects[:1]))


def test_what_the_job_mounts_is_named_like_it():
    objects = rendered()
    assert [o["kind"] for o in objects] == ["Job", "ConfigMap", "Secret"]
    (name,) = {o["metadata"]["name"] for o in objects}
    assert name.startswith("chat-bench-")
    assert all(o["metadata"]["namespace"] == "chat-ns" for o in objects)
    own = [v for v in pod_of(objects)["volumes"] if v["name"] != "keys"]
    assert own == [
        {"name": "app", "configMap": {"name": name}},
        {"name": "job", "secret": {"secretName": name, "defaultMode": 0o440}},
    ]


def test_equal_benchmarks_have_one_name_and_anything_else_another():
    name = rendered()[0]["metadata"]["name"]
    assert rendered()[0]["metadata"]["name"] == name
    others = [
        rendered(app=b"another zip"),
        rendered(described(sending=sent(single("another prompt")))),
        rendered(described(workers=4)),
        rendered(image="registry.example/ray-vllm@sha256:" + "2" * 64),
    ]
    assert len({name, *(o[0]["metadata"]["name"] for o in others)}) == 5


def test_the_prompts_are_in_the_secret_alone_and_come_back_as_they_were():
    objects = rendered()
    job, config_map, secret = objects
    assert unpacked(base64.b64decode(secret["data"]["job.json.gz"])) == described()
    assert secret["immutable"] is True
    assert "private" not in to_yaml(objects)
    assert base64.b64decode(config_map["binaryData"]["bench.pyz"]) == APP
    assert "url" not in str(job)


def test_the_api_key_comes_from_the_releases_own_secret_and_the_operators_token_stays_there():
    (keys,) = [v["secret"] for v in pod_of(rendered(keys_secret="my-keys"))["volumes"] if v["name"] == "keys"]
    assert keys == {
        "secretName": "my-keys",
        "defaultMode": 0o440,
        "items": [{"key": "api-keys", "path": "api-keys"}],
    }


def test_it_runs_once_ends_by_itself_and_is_taken_away_if_nobody_does():
    spec = rendered()[0]["spec"]
    assert (spec["backoffLimit"], spec["completions"], pod_of(rendered())["restartPolicy"]) == (0, 1, "Never")
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (6 * 3600, 3600)


def test_a_load_that_lasts_long_by_its_own_times_has_its_deadline_after_that():
    two = Levels(shared={"duration_s": 7200.0}, levels=({"concurrency": 1}, {"concurrency": 2}))
    assert rendered(described(levels=two))[0]["spec"]["activeDeadlineSeconds"] == 6 * 3600 + 2 * 7200
    replay = Levels(shared={}, levels=({"arrivals": "trace", "speed": 2.0},))
    late = Conversation(turns=(Turn(prompt="x"),), at_s=10_000)
    job = described(levels=replay, sending=sent(single("x"), late))
    assert rendered(job)[0]["spec"]["activeDeadlineSeconds"] == 6 * 3600 + 5000


def test_it_takes_no_gpu_and_a_core_for_each_worker():
    def asked(**changes):
        return pod_of(rendered(described(**changes)))["containers"][0]["resources"]

    assert asked() == {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
    assert asked(workers=6)["requests"]["cpu"] == "6"


def test_it_is_placed_as_the_front_is_and_away_from_the_engines_where_it_can():
    pod = pod_of(rendered())
    assert "tolerations" not in pod
    assert "nodeSelector" not in pod
    ((preferred,),) = [a.values() for a in pod["affinity"].values()]
    (term,) = preferred
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "engine"


def test_every_network_policy_of_the_release_counts_it_among_its_own_pods():
    pod_labels = rendered()[0]["spec"]["template"]["metadata"]["labels"]
    policies = {
        o["metadata"]["name"]: o["spec"]
        for o in static_objects(plan(kubernetes=Kubernetes(image=IMAGE, gateway_namespace="gateway")), "chat-ns", CODE)
        if o["kind"] == "NetworkPolicy"
    }

    def selects(peer):
        return peer["podSelector"]["matchLabels"].items() <= pod_labels.items()

    assert selects(policies["chat"])
    assert not selects(policies["chat.head"])
    everywhere = [r for r in policies["chat"]["ingress"] if "ports" not in r]
    assert any(selects(peer) for rule in everywhere for peer in rule["from"])


def test_no_budget_no_service_and_no_group_of_the_release_takes_its_pod_for_one_of_theirs():
    pod_labels = rendered()[0]["spec"]["template"]["metadata"]["labels"]
    budgets = [o for o in static_objects(plan(replicas=2), "chat-ns", CODE) if o["kind"] == "PodDisruptionBudget"]
    assert len(budgets) == 2
    for budget in budgets:
        assert not budget["spec"]["selector"]["matchLabels"].items() <= pod_labels.items()
    assert not [label for label in pod_labels if label.startswith("ray.io/")]


def test_prompts_that_no_secret_holds_are_refused_with_what_to_do():
    source = random.Random(1)
    many = tuple(single(f"{source.getrandbits(4 * 100_000):x}") for _ in range(25))  # 2.5 MB of noise: half remains
    with pytest.raises(
        InputError, match=r"the prompts take 1,\d\d\d,\d\d\d bytes compressed, and .* 1,048,576"
    ) as refused:
        rendered(described(sending=sent(*many)))
    assert "`infercli bench chat` says the way" in refused.value.hint
    text = tuple(single("the same words again and again " * 4000) for _ in range(25))  # 3 MB that compress
    assert rendered(described(sending=sent(*text)))


def test_a_registry_that_asks_who_it_is_is_told():
    assert pod_of(rendered(image_pull_secrets=("registry",)))["imagePullSecrets"] == [{"name": "registry"}]
