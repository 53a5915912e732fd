"""Commands that change a release while the API server, or the way to it, goes away in the middle."""

from __future__ import annotations

import time

import pytest

from infercli.adapters.cluster import lease, requests
from tests.cluster.release_project import Project
from tests.cluster.way import way_to

pytestmark = pytest.mark.cluster

LEASES = "/leases"


@pytest.fixture
def way(control_plane):
    with way_to(control_plane.kubeconfig()) as made:
        yield made


@pytest.fixture
def user(cluster, project, way, tmp_path) -> Project:
    """A user of a cluster with all that a release needs, whose commands go that way."""
    project.provide()
    project.environment.setenv("KUBECONFIG", str(way.kubeconfig(tmp_path / "kubeconfig")))
    return project


def deploy(user, quantization="awq", *words):
    user.write(quantization)
    return user.infercli("deploy", "-o", "json", "--timeout", "120s", *words)


def is_renewal(method, path):
    return method == "PATCH" and LEASES in path


def secret(number):
    return f"/secrets/infercli.release.v1.chat.v{number}"


SHIFT, GOOD = b'\\"step\\":\\"shift', b'\\"outcome\\":\\"good'


def config(user):
    """The applications of the RayService; none where there is none."""
    found = user.get("/apis/ray.io/v1/namespaces/{namespace}/rayservices")["items"]
    return user.serve_config()["applications"] if found else []


def outcomes(user):
    return [(r["revision"]["number"], r["progress"]["outcome"]) for r in user.revisions()]


@pytest.mark.parametrize("what", ["before", "after"])
def test_a_release_comes_moves_goes_back_and_goes_although_every_write_is_broken_off_once(user, way, what, monkeypatch):
    monkeypatch.setattr(requests, "AGAIN_S", 0.1)
    broken = []

    def fault(method, path, body):
        # The last, with which the lock is given back, is nobody's to wait for.
        if method == "GET" or is_renewal(method, path) or (method == "DELETE" and LEASES in path) or "/proxy/" in path:
            return None
        if "dryRun" in path or broken.count((method, path, body)):
            return None
        broken.append((method, path, body))
        return what

    first, second = (deploy(user, quantization) for quantization in ("awq", "fp8") if not setattr(way, "fault", fault))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    apps = first.json["engine"], second.json["engine"]
    assert user.weights() == {apps[0]: 0, apps[1]: 100}
    assert outcomes(user) == [(1, "good"), (2, "good")]
    back = user.done("rollback", "chat", "-o", "json")
    assert user.weights() == {apps[0]: 100}
    assert outcomes(user) == [(1, "good"), (2, "good"), (3, "good")]
    assert "has not answered" not in first.err + second.err + back.err
    user.done("delete", "chat", "--yes")
    assert user.revisions() == []
    kinds = {method for method, _, _ in broken}
    assert kinds == {"POST", "PATCH", "DELETE"}


ABANDONED = [(1, "abandoned"), (2, "good")]
POINTS = {
    "before the first write": (("POST", LEASES, b""), None, [(1, "good")]),
    "before the record": (("POST", "/secrets", b""), None, [(1, "good")]),
    "between the record and the first config": (("PATCH", "/rayservices", b""), ("down", "abandoned"), ABANDONED),
    "before the shift": (("PATCH", secret(1), SHIFT), ("down", "abandoned"), ABANDONED),
    "after the shift": (("PATCH", secret(1), GOOD), ("degraded", "abandoned"), ABANDONED),
}
"""At which write the API server goes away; what `status` says then, None: that there is no release; and what the
history is once the same command was typed again."""


@pytest.mark.parametrize("point", POINTS)
def test_a_command_that_ended_since_nobody_answered_goes_on_when_it_is_typed_again(user, way, point, monkeypatch):
    monkeypatch.setattr(lease, "DURATION_S", 3)
    (method, path, words), stands, history = POINTS[point]

    def fault(asked, where, body):
        if way.fault is not None and asked == method and path in where and words in body and "dryRun" not in where:
            way.fault = None
            way.down()
            return "before"
        return None

    way.fault = fault
    user.write("awq")
    ended = user.infercli("deploy", "-o", "json", "--timeout", "16s")
    assert ended.code == 1
    assert ended.err.count("has not answered since") == 1
    assert "closed the connection" in ended.err or "cannot be reached" in ended.err
    if stands is not None:
        assert "`infercli status chat`" in ended.err
    way.up()
    time.sleep(3.5)  # its claim runs out
    seen = user.infercli("status", "chat", "-o", "json")
    if stands is None:
        assert (seen.code, "there is no release `chat`" in seen.err) == (2, True)
    else:
        assert (seen.json["state"], seen.json["newest_standing"]) == stands
        assert "infercli deploy" in seen.json["next"]
        assert "nobody drives revision 1 any more" in seen.json["summary"] or stands[0] == "down"
    engines = [a for a in config(user) if a["name"] != "front"]
    app = user.done("deploy", "-o", "json", "--timeout", "90s").json["engine"]
    assert outcomes(user) == history
    assert user.weights() == {app: 100}
    left = [a for a in config(user) if a["name"] != "front"]
    assert [a["name"] for a in left] == [app]
    assert engines in ([], left)  # where it was put before, it is the same one, and was never built anew
    assert user.done("status", "chat", "-o", "json").json["state"] == "serving"
