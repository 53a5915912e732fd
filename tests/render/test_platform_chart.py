from __future__ import annotations

import itertools
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from infercli.core.documents.deployment import Kubernetes
from infercli.render.objects import objects, to_yaml
from tests.render.examples import CODE, IMAGE, plan

CHART = Path(__file__).parents[2] / "charts" / "infercli-platform"


def values(**changes):
    return yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")) | changes


@pytest.fixture
def schema():
    return jsonschema.Draft7Validator(json.loads((CHART / "values.schema.json").read_text(encoding="utf-8")))


def test_the_values_as_they_are_pass_their_schema(schema):
    schema.check_schema(schema.schema)
    assert list(schema.iter_errors(values())) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"quotas": {}},
        {"quota": {"gpu": 4}},
        {"quota": {"gpus": -1}},
        {"namespace": {"name": "Chat", "create": True}},
        {"podSecurity": {"level": "strict", "version": "latest"}},
        {"podSecurity": {"level": "restricted", "version": "1.36"}},
        {"deployers": [{"kind": "ServiceAccount", "name": "ci"}]},
        {"deployers": [{"kind": "Group", "name": "ml", "namespace": "build"}]},
        {"oncall": [{"kind": "group", "name": "ml"}]},
    ],
)
def test_values_that_would_be_ignored_or_refused_later_are_refused_by_the_schema(schema, wrong):
    assert list(schema.iter_errors(values(**wrong)))


@pytest.fixture
def helm(control_plane):
    def helm(*words, stdin=""):
        return control_plane.helm(*words, stdin=stdin)

    return helm


def rendered(helm, **changes):
    done = helm("template", "platform", str(CHART), "--values", "-", stdin=json.dumps(values(**changes)))
    assert done.returncode == 0, done.stderr
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(done.stdout) if o}


@pytest.mark.cluster
def test_helm_finds_nothing_to_complain_of(helm):
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.cluster
def test_bindings_and_quota_come_only_where_they_were_asked_for(helm):
    plain = rendered(helm)
    assert set(plain) == {("Namespace", "inference"), ("Role", "infercli-deployer"), ("Role", "infercli-oncall")}
    full = rendered(
        helm,
        quota={"gpus": 0},
        oncall=[{"kind": "User", "name": "night"}],
        deployers=[{"kind": "ServiceAccount", "name": "ci", "namespace": "build"}],
        namespace={"name": "chat", "create": False},
    )
    assert ("Namespace", "chat") not in full
    assert full["ResourceQuota", "infercli-gpus"]["spec"]["hard"] == {"requests.nvidia.com/gpu": "0"}
    assert full["RoleBinding", "infercli-deployer"]["subjects"] == [
        {"kind": "ServiceAccount", "name": "ci", "namespace": "build"}
    ]
    assert full["RoleBinding", "infercli-oncall"]["subjects"] == [
        {"kind": "User", "name": "night", "apiGroup": "rbac.authorization.k8s.io"}
    ]


@pytest.mark.cluster
def test_a_namespace_whose_name_is_a_number_to_yaml_stays_a_name(helm):
    found = rendered(
        helm,
        quota={"gpus": 1},
        deployers=[{"kind": "ServiceAccount", "name": "ci", "namespace": "7e2"}],
        namespace={"name": "0123", "create": True},
    )
    assert {o["metadata"].get("namespace", o["metadata"]["name"]) for o in found.values()} == {"0123"}
    assert found["RoleBinding", "infercli-deployer"]["subjects"][0]["namespace"] == "7e2"


@pytest.mark.cluster
def test_on_call_can_read_what_the_deployer_can_and_write_nothing(helm):
    roles = rendered(helm)
    may = {
        name: {(g, r, v) for rule in roles["Role", name]["rules"] for g in rule["apiGroups"]
               for r in rule["resources"] for v in rule["verbs"]}
        for name in ("infercli-deployer", "infercli-oncall")
    }  # fmt: skip
    assert {verb for _, _, verb in may["infercli-oncall"]} == {"get", "list", "watch"}
    assert may["infercli-oncall"] == {rule for rule in may["infercli-deployer"] if rule[2] in {"get", "list", "watch"}}


_numbers = itertools.count(1)


@pytest.fixture
def admin_namespace():
    """Where helm keeps its record: another one each time, since the one before may still be going."""
    return f"platform-admin-{next(_numbers)}"


@pytest.fixture
def installed(control_plane, admin_namespace):
    """The chart in a namespace of its own, with the control plane's users `deployer` and `oncall` bound."""
    name = admin_namespace.replace("admin", "models")
    chosen = values(
        namespace={"name": name, "create": True, "labels": {"team": "chat"}},
        deployers=[{"kind": "User", "name": "deployer"}],
        oncall=[{"kind": "User", "name": "oncall"}],
        quota={"gpus": 2},
    )
    command = ("install", "platform", str(CHART), "--namespace", admin_namespace, "--create-namespace")
    done = control_plane.helm(*command, "--values", "-", stdin=json.dumps(chosen))
    assert done.returncode == 0, done.stderr
    yield name
    control_plane.helm("uninstall", "platform", "--namespace", admin_namespace)
    control_plane.kubectl("delete", "namespace", name, admin_namespace, "--wait=false")


@pytest.mark.cluster
def test_the_deployer_may_do_what_infercli_does_and_on_call_may_look(control_plane, installed):
    def apply(user):
        text = to_yaml(objects(plan(kubernetes=Kubernetes(image=IMAGE)), installed, CODE, "applications: []\n"))
        command = ("apply", "--server-side", "--field-manager=infercli", "--dry-run=server", "-f", "-")
        return control_plane.kubectl(*command, user=user, stdin=text)

    def may(user, verb, what):
        # `services/proxy` would be a Service of the name `proxy`.
        resource, _, subresource = what.partition("/")
        command = ("auth", "can-i", verb, resource, f"--subresource={subresource}", "-n", installed)
        return control_plane.kubectl(*command, user=user).stdout.strip()

    done = apply("deployer")
    assert done.returncode == 0, done.stderr
    assert "forbidden" in apply("oncall").stderr

    for verb, resource in [
        ("create", "secrets"),
        ("delete", "rayservices.ray.io"),
        ("update", "leases.coordination.k8s.io"),
        ("create", "services/proxy"),
        ("create", "pods/portforward"),  # what the hint of `bench` says to type
        ("delete", "rayclusters.ray.io"),
        ("create", "jobs.batch"),
        ("delete", "jobs.batch"),
    ]:
        assert may("deployer", verb, resource) == "yes", (verb, resource)
        assert may("oncall", verb, resource) == "no", (verb, resource)
    for verb, resource in [
        ("get", "secrets"),
        ("list", "rayservices.ray.io"),
        ("get", "pods/log"),
        ("list", "events"),
        ("get", "jobs.batch"),
    ]:
        assert may("oncall", verb, resource) == "yes", (verb, resource)
    for user in ("deployer", "oncall"):
        assert may(user, "get", "pods/proxy") == "no"  # nothing asks pods: infercli asks Services
        assert may(user, "create", "pods") == "no"
        assert may(user, "create", "roles.rbac.authorization.k8s.io") == "no"
    outside = control_plane.kubectl("auth", "can-i", "get", "secrets", "-n", "default", user="deployer")
    assert outside.stdout.strip() == "no"


@pytest.mark.cluster
def test_the_namespace_refuses_what_is_not_restricted_and_gpus_above_the_quota(control_plane, installed):
    def pod(**container):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "trial", "namespace": installed},
            "spec": {"containers": [{"name": "trial", "image": "registry.example/trial"} | container]},
        }
        return control_plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body)).stderr

    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert 'violates PodSecurity "restricted:latest"' in pod()
    too_many = {"limits": {"nvidia.com/gpu": "3"}, "requests": {"nvidia.com/gpu": "3"}}
    assert "exceeded quota: infercli-gpus" in pod(securityContext=restricted, resources=too_many)
    assert pod(securityContext=restricted) == ""


@pytest.mark.cluster
def test_uninstalling_leaves_the_namespace_and_its_models_in_place(control_plane, installed, admin_namespace):
    assert control_plane.helm("uninstall", "platform", "--namespace", admin_namespace).returncode == 0
    assert control_plane.kubectl("get", "namespace", installed).returncode == 0
    assert "NotFound" in control_plane.kubectl("get", "role", "infercli-deployer", "-n", installed).stderr
