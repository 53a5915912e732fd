"""An API server that goes away while a release is changed: a real one, behind a way that has faults."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time

import pytest

from infercli.adapters.cluster import lease, requests
from infercli.adapters.cluster.client import connect
from infercli.adapters.cluster.release_secrets import ReleaseSecrets
from infercli.core.release import Progress
from infercli.errors import ClusterError, ReleaseBusy
from tests.cluster.way import way_to
from tests.contracts.release_store import revision

pytestmark = pytest.mark.cluster

SECRET, LEASES = "infercli.release.v1.chat.v1", "/leases"
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "chat-front"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "chat"}}},
}


@pytest.fixture
def way(control_plane):
    with way_to(control_plane.kubeconfig()) as made:
        yield made


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(way, namespace, tmp_path, said, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = ReleaseSecrets(connect(str(way.kubeconfig(tmp_path / "kubeconfig")), None, namespace), said.append)
    store.entries("chat")
    store.cluster.get("policy/v1", "PodDisruptionBudget", "x")
    store.cluster.get("coordination.k8s.io/v1", "Lease", "x")  # what it serves is known by now
    return store


@pytest.fixture
def another(control_plane, namespace, store):
    """Of somebody whose way has no faults."""
    return ReleaseSecrets(connect(str(control_plane.kubeconfig()), None, namespace))


def once_each(what):
    """A fault of the first try of every write, but for renewals."""
    seen = []

    def fault(method, path, body):
        if method == "GET" or (method == "PATCH" and LEASES in path):
            return None
        seen.append((method, path.partition("?")[0]))
        return what if seen.count(seen[-1]) == 1 else None

    return fault


@pytest.mark.parametrize("what", ["before", "after", 429, 500, 503, 504])
def test_every_write_is_done_once_whatever_became_of_its_first_try(store, way, namespace, what, said, control_plane):
    way.fault = once_each(what)
    with store.changing("chat", "deploy", patience_s=60):
        store.append(revision(1))
        store.progress("chat", 1, Progress(outcome="pending", step="add"))
        budget = {**BUDGET, "metadata": {**BUDGET["metadata"], "namespace": namespace}}
        generation = store.cluster.apply(budget)["metadata"]["generation"]
        assert [(e.number, e.progress.step) for e in store.entries("chat")] == [(1, "add")]
        store.cluster.delete("policy/v1", "PodDisruptionBudget", "chat-front")
        assert store.cluster.get("policy/v1", "PodDisruptionBudget", "chat-front") is None
    assert generation == 1
    found = control_plane.api.get(f"/api/v1/namespaces/{namespace}/secrets/{SECRET}")
    assert json.loads(found["metadata"]["annotations"]["infercli.dev/progress"])["step"] == "add"
    assert said == []  # each was back within a second


def test_a_silence_is_told_once_with_its_beginning_and_what_was_not_done_is_done_when_it_is_over(store, way, said):
    with store.changing("chat", "deploy", patience_s=60):
        timer = way.down_for(3.0)
        store.append(revision(1))
        store.progress("chat", 1, Progress(outcome="good"))
    timer.join()
    (line,) = said
    began = r"^the API server of context `admin` has not answered since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ: "
    assert re.match(began + r"Connection refused; it is waited for, up to (5\d s|1\.0 min)$", line)
    assert [e.progress.outcome for e in store.entries("chat")] == ["good"]


def test_a_read_in_between_is_waited_for_too(store, way):
    with store.changing("chat", "deploy", patience_s=60):
        store.append(revision(1))
        timer = way.down_for(2.5)
        assert [e.number for e in store.entries("chat")] == [1]
    timer.join()


def test_a_silence_longer_than_the_claim_is_outlived_where_nobody_took_it(store, way, another, monkeypatch):
    monkeypatch.setattr(lease, "DURATION_S", 2)
    with store.changing("chat", "deploy", patience_s=60):
        store.append(revision(1))
        timer = way.down_for(5.0)
        time.sleep(3)
        store.progress("chat", 1, Progress(outcome="good"))
        with pytest.raises(ReleaseBusy), another.changing("chat", "rollback"):
            pytest.fail("the claim was not renewed")
    timer.join()
    assert another.entries("chat")[0].progress.outcome == "good"


def writes(way):
    return [(method, path) for method, path in way.passed if method != "GET" and LEASES not in path]


@pytest.mark.parametrize("silent", ["a write", "a read"])
def test_nothing_is_written_once_another_took_the_lock_in_the_silence(
    store, way, another, monkeypatch, silent, namespace
):
    monkeypatch.setattr(lease, "DURATION_S", 2)
    budget = {**BUDGET, "metadata": {**BUDGET["metadata"], "namespace": namespace}}
    with store.changing("chat", "deploy", patience_s=60):
        store.append(revision(1))
        way.down()
        time.sleep(3)  # what it had runs out
        with another.changing("chat", "rollback"):
            another.progress("chat", 1, Progress(outcome="abandoned"))
            threading.Timer(1.5, way.up).start()
            way.passed.clear()
            with pytest.raises(ReleaseBusy, match="somebody else took the lock of chat"):
                store.cluster.apply(budget) if silent == "a write" else store.entries("chat")
            for late in (
                lambda: store.cluster.apply(budget),
                lambda: store.cluster.delete("v1", "Secret", SECRET),
                lambda: store.progress("chat", 1, Progress(outcome="good")),
                lambda: store.forget("chat"),
            ):
                with pytest.raises(ReleaseBusy):
                    late()
    assert writes(way) == []
    assert another.entries("chat")[0].progress.outcome == "abandoned"


def test_a_number_that_another_recorded_in_the_silence_is_not_taken_for_ours(store, way, another):
    def fault(method, path, body):
        if method == "POST" and "/secrets" in path:
            way.fault = None
            another.append(revision(1).model_copy(update={"reason": "another"}))
            return "before"
        return None

    way.fault = fault
    with store.changing("chat", "deploy", patience_s=60), pytest.raises(ReleaseBusy, match="exists already"):
        store.append(revision(1))
    assert store.entries("chat")[0].revision.reason == "another"


def test_a_lock_that_another_took_in_the_silence_is_not_taken_for_ours(store, way, another):
    taken = []

    def fault(method, path, body):
        if method == "POST" and LEASES in path:
            way.fault = None
            taken.append(another.changing("chat", "rollback"))
            taken[0].__enter__()
            return "before"
        return None

    way.fault = fault
    with (
        pytest.raises(ReleaseBusy, match=r"changed by .*rollback since"),
        store.changing("chat", "deploy", patience_s=60),
    ):
        pytest.fail("two have it")
    taken[0].__exit__(None, None, None)


def test_when_the_time_is_over_it_is_said_as_ever_and_nothing_is_waited_for_again(store, way):
    began = time.monotonic()
    with store.changing("chat", "deploy", patience_s=3):
        way.down()
        with pytest.raises(ClusterError, match=r"cannot be reached at http://127\.0\.0\.1:\d+: Connection refused"):
            store.append(revision(1))
        assert 1.5 < time.monotonic() - began < 10
        ended = time.monotonic()
        with pytest.raises(ClusterError, match="cannot be reached"):
            store.progress("chat", 1, Progress(outcome="failed"))
        assert time.monotonic() - ended < 1


def test_ctrl_c_ends_the_wait_and_what_is_done_then_does_not_wait_again(store, way):
    with store.changing("chat", "deploy", patience_s=600):
        way.down()
        timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            store.append(revision(1))
        assert time.monotonic() - began < 3
        with pytest.raises(ClusterError, match="cannot be reached"):
            store.progress("chat", 1, Progress(outcome="interrupted"))
    assert time.monotonic() - began < 5


def test_outside_of_a_change_nothing_is_waited_for(store, way):
    way.down()
    began = time.monotonic()
    with pytest.raises(ClusterError, match="cannot be reached"):
        store.entries("chat")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("in_change", [True, False])
def test_a_token_that_is_not_accepted_any_more_is_asked_for_anew(
    way, control_plane, namespace, tmp_path, monkeypatch, in_change
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(requests, "LOG_IN_S", 0)
    token = way.content["users"][0]["user"]["token"]
    (tmp_path / "token").write_text(token)
    given = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}'
    script = f"echo >> {tmp_path}/asked; printf '{given}' $(cat {tmp_path}/token)"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "Never"}
    way.kubeconfig(tmp_path / "kubeconfig", exec=plugin | {"args": ["-c", script]})

    def asked():
        return len((tmp_path / "asked").read_text().splitlines())

    store = ReleaseSecrets(connect(str(tmp_path / "kubeconfig"), None, namespace))
    before = asked()
    way.fault = lambda *_: 401 if asked() == before else None  # what the plugin gave until now has run out
    if in_change:
        with store.changing("chat", "deploy"):
            store.append(revision(1))
    else:
        store.append(revision(1))
    assert [e.number for e in store.entries("chat")] == [1]
    assert asked() == before + 1
    (tmp_path / "token").write_text("of nobody")
    monkeypatch.setattr(requests, "LOG_IN_S", 3600)
    way.fault = lambda *_: 401
    for _ in range(3):
        with pytest.raises(ClusterError, match="does not accept the credentials of context `admin`"):
            store.entries("chat")
    assert asked() == before + 1
