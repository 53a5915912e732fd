from __future__ import annotations

import json

import pytest

from infercli.core.documents.deployment import Kubernetes
from infercli.core.documents.profile import NodeGroup, Toleration
from infercli.render.objects import objects, static_objects
from tests.render.examples import CODE, COMMIT, IMAGE, deployed, engine, front, plan, profile


def ray_service(the_plan=None):
    (found,) = [o for o in static_objects(the_plan or plan(), "chat-ns", CODE) if o["kind"] == "RayService"]
    return found


def cluster(the_plan=None):
    return ray_service(the_plan)["spec"]["rayClusterConfig"]


def groups(the_plan=None):
    return {group["groupName"]: group for group in cluster(the_plan)["workerGroupSpecs"]}


def templates(the_plan=None):
    config = cluster(the_plan)
    return {"head": config["headGroupSpec"]["template"]} | {
        group["groupName"]: group["template"] for group in config["workerGroupSpecs"]
    }


def mounts(template):
    """Mount path -> (volume, mount), of the one container."""
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    (container,) = template["spec"]["containers"]
    return {mount["mountPath"]: (volumes[mount["name"]], mount) for mount in container["volumeMounts"]}


def test_what_changes_with_an_engine_is_in_no_pod_template():
    # A changed template builds a second Ray cluster with as many GPUs again; an engine must change in place.
    other = engine(
        model_path=f"/models/{'f' * 40}",
        model_digest="f" * 40,
        quantization="none",
        engine_args={"max_model_len": 1024},
        max_ongoing_requests=7,
        code_digest="abcabcabcabc",
        environment={"A": "1"},
    )
    assert json.dumps(cluster(plan(spec=other))) == json.dumps(cluster(plan()))
    assert json.dumps(cluster(plan(the_front=front(max_in_flight=511)))["headGroupSpec"]) == json.dumps(
        cluster()["headGroupSpec"]
    )


def test_a_changed_number_of_fronts_or_engines_changes_only_counts():
    hardware = profile(nodes=(NodeGroup(count=8, gpus=1),))
    few = cluster(plan(hardware=hardware))
    many = cluster(plan(hardware=hardware, replicas=3, the_front=front(replicas=4)))
    for config in (few, many):
        for group in config["workerGroupSpecs"]:
            # What KubeRay leaves out when it asks whether a cluster is another one.
            group.pop("replicas"), group.pop("minReplicas"), group.pop("maxReplicas")
    assert few == many


def test_the_serve_config_is_one_string_and_the_static_object_has_none():
    assert "serveConfigV2" not in ray_service()["spec"]
    (service,) = [o for o in objects(plan(), "chat-ns", CODE, "applications: []\n") if o["kind"] == "RayService"]
    assert service["spec"].pop("serveConfigV2") == "applications: []\n"
    assert service == ray_service()


def test_what_the_operator_writes_back_is_there_already():
    # Missing, the operator adds these empty objects, owns the list from then on, and the next apply is a conflict.
    for template in templates().values():
        assert "metadata" in template
    assert all(group["scaleStrategy"] == {} for group in groups().values())
    assert all("numOfHosts" in group and "replicas" in group for group in groups().values())


def test_nothing_in_it_is_an_empty_list_or_null():
    # The operator leaves those out when it writes the object back, which is a change, which makes it an owner.
    def empty(value):
        if isinstance(value, dict):
            return any(empty(inner) for inner in value.values())
        return value is None or (isinstance(value, list) and (not value or any(empty(inner) for inner in value)))

    assert not empty(ray_service()["spec"])
    assert not empty(ray_service(plan(hardware=profile(node_selector={}, tolerations=())))["spec"])


def test_the_head_takes_no_replica_and_no_request():
    config = cluster()
    assert config["headGroupSpec"]["resources"] == {"CPU": "0"}
    assert ray_service()["spec"]["excludeHeadPodFromServeSvc"] is True
    ports = config["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"]
    # Without a port of that name on the head KubeRay makes no Service for clients.
    assert {"name": "serve", "containerPort": 8000, "protocol": "TCP"} in ports


def test_every_front_has_a_pod_of_its_own():
    group = groups(plan(the_front=front(replicas=3)))["front"]
    assert group["replicas"] == 3
    assert group["resources"] == {"CPU": "1"}
    assert group["maxReplicas"] >= 2 * 3
    assert group["template"]["spec"]["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"


def test_there_is_room_for_a_second_engine_where_the_profile_has_it():
    pool = groups(plan(hardware=profile(nodes=(NodeGroup(count=2, max_count=6, gpus=1),))))["gpu"]
    assert (pool["minReplicas"], pool["replicas"], pool["maxReplicas"]) == (1, 1, 6)
    single = groups(plan(hardware=profile(nodes=(NodeGroup(count=1, gpus=1),))))["gpu"]
    assert (single["minReplicas"], single["replicas"], single["maxReplicas"]) == (1, 1, 1)


def test_the_autoscaler_is_told_the_kind_of_gpu_only_where_it_may_add_one():
    pool = groups(plan(hardware=profile(nodes=(NodeGroup(count=2, gpus=1),))))["gpu"]
    assert pool["resources"]["accelerator_type:L4"] == "1"
    # Nothing to add: Ray itself finds out what the node has, and a wrong node is refused.
    single = groups(plan(hardware=profile(nodes=(NodeGroup(count=1, gpus=1),))))["gpu"]
    assert set(single["resources"]) == {"CPU", "GPU"}
    unnamed = groups(plan(spec=engine(accelerator_type=None)))["gpu"]
    assert set(unnamed["resources"]) == {"CPU", "GPU"}


def test_ray_is_told_as_many_gpus_as_the_container_gets():
    spec = engine(gpus=4, engine_args={"tensor_parallel_size": 4})
    group = groups(plan(spec=spec, hardware=profile(nodes=(NodeGroup(count=1, gpus=8),))))["gpu"]
    sizes = group["template"]["spec"]["containers"][0]["resources"]
    assert group["resources"]["GPU"] == sizes["requests"]["nvidia.com/gpu"] == sizes["limits"]["nvidia.com/gpu"] == "4"
    assert sizes["requests"]["memory"] == sizes["limits"]["memory"]
    assert group["maxReplicas"] == 2


def test_engine_pods_go_where_the_profile_says():
    spec = templates()["gpu"]["spec"]
    assert spec["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "chat", "effect": "NoSchedule"},
    ]
    said = Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
    assert len(templates(plan(hardware=profile(tolerations=(said,))))["gpu"]["spec"]["tolerations"]) == 1
    for name in ("head", "front"):
        assert "nodeSelector" not in templates()[name]["spec"]
        assert "tolerations" not in templates()[name]["spec"]


def test_pods_pass_pod_security_restricted():
    for template in templates().values():
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for container in [*pod["containers"], cluster()["autoscalerOptions"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}


def test_only_engines_see_weights_only_fronts_see_keys_and_all_see_the_code():
    mounted = {name: set(mounts(template)) for name, template in templates().items()}
    assert mounted == {
        "head": {"/etc/infercli/code", "/cache"},
        "front": {"/etc/infercli/code", "/etc/infercli/keys", "/cache"},
        "gpu": {"/etc/infercli/code", "/models", "/cache"},
    }


def test_weights_are_mounted_read_only_from_the_claim_that_was_named():
    named = plan(kubernetes=Kubernetes(image=IMAGE, model_claim="weights"))
    volume, mount = mounts(templates(named)["gpu"])["/models"]
    assert volume["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}
    assert mount["readOnly"] is True
    assert deployed().spec.model_path == f"/models/{COMMIT}"


@pytest.mark.parametrize(("given", "name"), [(None, "chat-keys"), ("shared-keys", "shared-keys")])
def test_keys_are_a_secret_that_is_named_and_never_written(given, name):
    volume, mount = mounts(templates(plan(kubernetes=Kubernetes(image=IMAGE, keys_secret=given)))["front"])[
        "/etc/infercli/keys"
    ]
    assert volume["secret"] == {"secretName": name, "defaultMode": 0o440}
    assert mount["readOnly"] is True
    kinds = {o["kind"] for o in static_objects(plan(), "chat-ns", CODE)}
    assert "Secret" not in kinds


def test_no_serving_code_is_mounted_by_sub_path():
    # A ConfigMap by subPath never shows a zip that is added later.
    assert all("subPath" not in m for t in templates().values() for _, m in mounts(t).values())


def test_only_the_head_gets_a_token_of_the_api_server():
    assert {name: t["spec"]["automountServiceAccountToken"] for name, t in templates().items()} == {
        "head": True,
        "front": False,
        "gpu": False,
    }
    assert {t["spec"]["serviceAccountName"] for t in templates().values()} == {"chat"}


def test_ray_asks_for_a_token_and_its_version_is_said():
    # KubeRay refuses the token mode without a version.
    assert cluster()["authOptions"] == {"mode": "token"}
    assert cluster()["rayVersion"] == "2.60.0"


def test_nothing_is_reported_and_no_prompt_is_logged_on_any_pod():
    for template in templates().values():
        (container,) = template["spec"]["containers"]
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
        assert variables["VLLM_NO_USAGE_STATS"] == "1"
        assert variables["RAYLLM_ENABLE_REQUEST_PROMPT_LOGS"] == "0"
        assert variables["HF_HUB_OFFLINE"] == "1"
        assert list(variables) == sorted(variables)


def test_a_pod_is_not_killed_while_ray_drains_it():
    for template in templates().values():
        (container,) = template["spec"]["containers"]
        drain = next(v["value"] for v in container["env"] if v["name"] == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S")
        assert template["spec"]["terminationGracePeriodSeconds"] >= int(drain) + 30


def test_the_old_cluster_of_an_image_change_stays_as_long_as_a_stream_may_last():
    service = ray_service(plan(spec=engine(graceful_shutdown_timeout_s=900.5)))
    assert service["spec"]["rayClusterDeletionDelaySeconds"] == 901


def test_pull_secrets_reach_every_pod():
    with_secrets = plan(kubernetes=Kubernetes(image=IMAGE, image_pull_secrets=("a", "b")))
    for template in templates(with_secrets).values():
        assert template["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
        assert template["spec"]["containers"][0]["image"] == IMAGE


def test_node_autoscalers_leave_head_and_engines_alone():
    annotated = {name for name, t in templates().items() if "annotations" in t["metadata"]}
    assert annotated == {"head", "gpu"}


def test_kuberay_keeps_its_own_probes():
    for template in templates().values():
        assert not {"livenessProbe", "readinessProbe", "startupProbe"} & set(template["spec"]["containers"][0])


def test_no_service_of_the_namespace_becomes_a_variable_of_the_pods():
    # One named `vllm` would be VLLM_PORT=tcp://..., and vLLM does not start with it.
    assert all(template["spec"]["enableServiceLinks"] is False for template in templates().values())
