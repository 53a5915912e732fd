"""What `diff` says, and that a deploy does what it said."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.actions.diff import diff
from infercli.cli.diff import text
from infercli.errors import InputError
from tests.core.builders import engine

POD = {"containers": [{"name": "c", "image": "a", "resources": {"limits": {"nvidia.com/gpu": "2"}}}]}


def ray_service(image="a", replicas=1):
    pod = {"containers": [{**POD["containers"][0], "image": image}]}
    group = {"groupName": "gpu", "replicas": replicas, "scaleStrategy": {}, "template": {"spec": pod}}
    head = {"template": {"spec": {"containers": [{"name": "h", "image": image}]}}}
    config = {"headGroupSpec": head, "workerGroupSpecs": [group]}
    return {"kind": "RayService", "metadata": {"name": "chat"}, "spec": {"rayClusterConfig": config}}


def held_by(world, objects):
    world.platform.held_objects = lambda asked: [
        next((o for o in objects if o["kind"] == a["kind"]), None) for a in asked
    ]


def test_where_nothing_was_deployed_everything_is_new(world, request_for):
    seen = diff(request_for(objects=(ray_service(),)), world)
    assert (seen.revision, seen.changes, seen.engine.is_new, seen.engine.was) == (None, True, True, None)
    assert [(o.kind, o.what) for o in seen.objects] == [("RayService", "new")]
    assert (seen.ray_cluster, seen.more_gpus) == ("first", 2)


def test_what_serves_already_has_no_differences(world, request_for):
    deploy(request_for(), world)
    seen = diff(request_for(), world)
    assert (seen.changes, seen.steps, seen.engine.fields, seen.routes) == (False, (), (), ())


def test_another_engine_is_told_field_by_field_with_what_a_deploy_would_do(world, request_for):
    deploy(request_for(), world)
    puts = len(world.platform.puts)
    seen = diff(request_for("int8"), world)
    assert [(d.path, d.was, d.becomes) for d in seen.engine.fields] == [("quantization", "none", "int8")]
    assert (seen.engine.was, seen.engine.app) == (engine("none").app, engine("int8").app)
    assert {d.path: (d.was, d.becomes) for d in seen.routes} == {
        engine("none").app: (100, 0),
        engine("int8").app: (None, 100),
    }
    assert len(world.platform.puts) == puts
    deploy(request_for("int8"), world)
    assert [s for s in world.watcher.said if s in seen.steps] == list(seen.steps)


def test_another_image_is_a_second_ray_cluster_and_another_count_is_not(world, request_for):
    deploy(request_for(objects=(ray_service(),)), world)
    held_by(world, [ray_service()])
    image = diff(request_for(objects=(ray_service("b"),)), world)
    assert (image.ray_cluster, image.more_gpus) == ("new", 2)
    (changed,) = image.objects
    assert [d.path for d in changed.fields] == [
        "spec.rayClusterConfig.headGroupSpec.template.spec.containers[h].image",
        "spec.rayClusterConfig.workerGroupSpecs[0].template.spec.containers[c].image",
    ]
    count = diff(request_for(objects=(ray_service(replicas=3),)), world)
    assert (count.ray_cluster, count.more_gpus) == ("same", 0)


def test_what_somebody_changed_in_the_cluster_is_a_difference_and_what_he_added_is_not(world, request_for):
    deploy(request_for(objects=(ray_service(),)), world)
    held_by(world, [ray_service(replicas=7) | {"status": {"x": 1}}])
    seen = diff(request_for(objects=(ray_service(),)), world)
    (changed,) = seen.objects
    assert [(d.was, d.becomes) for d in changed.fields] == [(7, 1)]


def test_an_image_that_somebody_changed_is_put_right_by_a_second_ray_cluster_and_a_default_is_no_change(
    world, request_for
):
    request = request_for(objects=(ray_service(),))
    deploy(request, world)
    held_by(world, [ray_service("b")])
    assert diff(request, world).ray_cluster == "new"
    # The API server fills in what nobody said, in lists too; the count is put right in place.
    filled = ray_service(replicas=7)
    config = filled["spec"]["rayClusterConfig"]
    for group in (config["headGroupSpec"], *config["workerGroupSpecs"]):
        group["template"]["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    held_by(world, [filled])
    assert diff(request, world).ray_cluster == "same"


def test_what_runs_without_a_record_is_not_called_nothing(world, request_for):
    deploy(request_for(), world)
    world.store.forget("chat")
    with pytest.raises(InputError, match=f"{engine('none').app} takes requests on a fake"):
        diff(request_for("int8"), world)


def test_a_serve_config_that_was_changed_by_hand_is_put_right_by_the_next_deploy(world, request_for):
    deploy(request_for(), world)
    world.platform.held[-1]["applications"][0]["deployments"][0]["user_config"]["routes"] = []
    assert diff(request_for(), world).changes
    entry = deploy(request_for(), world)
    assert entry.number == 2
    assert not diff(request_for(), world).changes


def test_a_file_in_a_config_map_is_told_by_its_size(world, request_for):
    code = {"kind": "ConfigMap", "metadata": {"name": "code"}, "binaryData": {"engine-1.zip": "AAAA"}}
    deploy(request_for(objects=(code,)), world)
    held_by(world, [code])
    newer = {**code, "binaryData": {"engine-2.zip": "AAAAAAAA"}}
    (changed,) = diff(request_for(objects=(newer,)), world).objects
    assert [(d.path, d.was, d.becomes) for d in changed.fields] == [("binaryData.engine-2.zip", None, "6 bytes")]


def test_differences_stand_below_one_another_where_a_terminal_has_no_room_beside(world, request_for, monkeypatch):
    deploy(request_for(objects=(ray_service("registry.example/ray-vllm@sha256:" + "1" * 64),)), world)
    held_by(world, [ray_service("registry.example/ray-vllm@sha256:" + "1" * 64)])
    seen = diff(request_for("int8", objects=(ray_service("registry.example/ray-vllm@sha256:" + "2" * 64),)), world)
    wide = text(seen)
    assert "NOW" in wide
    monkeypatch.setattr("infercli.cli.output.terminal_width", lambda: 60)
    narrow = text(seen)
    assert max(map(len, narrow.splitlines())) <= 60
    assert "  engine.quantization\n    now   none\n    then  int8\n" in narrow
