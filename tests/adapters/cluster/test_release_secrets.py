"""The history in Secrets, and its lock, on a real API server."""

from __future__ import annotations

import base64
import random
import threading
import time

import pytest

from infercli.adapters.cluster import lease as module
from infercli.adapters.cluster.client import connect
from infercli.adapters.cluster.release_secrets import REVISION_LABEL, ReleaseSecrets
from infercli.core.release import Progress
from infercli.errors import ClusterError, InputError, ReleaseBusy
from tests.contracts.release_store import ReleaseStoreContract, revision

pytestmark = pytest.mark.cluster


@pytest.fixture
def open_store(control_plane, namespace, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return lambda: ReleaseSecrets(connect(str(control_plane.kubeconfig()), None, namespace))


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def another(open_store):
    return open_store()


class TestReleaseSecrets(ReleaseStoreContract):
    pass


@pytest.fixture
def lease(control_plane, namespace):
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/infercli.chat"
    return lambda: control_plane.api.get(path)


def test_what_is_recorded_cannot_be_changed_by_anybody(store, control_plane, namespace):
    store.append(revision(1))
    name = "infercli.release.v1.chat.v1"
    patch = '{"data":{"revision":"' + base64.b64encode(b"other").decode() + '"}}'
    done = control_plane.kubectl("patch", "secret", name, "-n", namespace, "--type=merge", "-p", patch)
    assert done.returncode != 0
    assert "immutable" in done.stderr
    found = control_plane.api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    assert found["type"] == "infercli/release.v1"
    assert found["metadata"]["labels"]["infercli.dev/release"] == "chat"


def test_a_revision_that_no_secret_can_hold_is_refused_with_its_size(store):
    noise = random.Random(7).randbytes(1_100_000).hex()  # does not compress below half: 1.1 MB of 1.05
    with pytest.raises(ClusterError, match=r"takes 1,\d\d\d,\d\d\d bytes, and a Secret holds 1,048,576"):
        store.append(revision(1).model_copy(update={"reason": noise}))
    assert list(store.entries("chat")) == []


def test_a_secret_that_infercli_did_not_write_is_named(store, control_plane, namespace):
    store.append(revision(1))
    secret = control_plane.api.get(f"/api/v1/namespaces/{namespace}/secrets/infercli.release.v1.chat.v1")
    labels = secret["metadata"]["labels"] | {"infercli.dev/revision": "2"}
    metadata = {"name": "infercli.release.v1.chat.v2", "labels": labels}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"revision": "?"}}
    control_plane.api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    with pytest.raises(ClusterError, match=r"Secret infercli\.release\.v1\.chat\.v2 is not a revision"):
        store.entries("chat")


def test_a_secret_without_its_number_is_forgotten_with_the_others(store, control_plane, namespace):
    for number in (1, 2):
        store.append(revision(number))
    path = f"/metadata/labels/{REVISION_LABEL.replace('/', '~1')}"
    patch = f'[{{"op": "remove", "path": "{path}"}}]'
    name = "infercli.release.v1.chat.v1"
    done = control_plane.kubectl("patch", "secret", name, "-n", namespace, "--type=json", "-p", patch)
    assert done.returncode == 0, done.stderr
    store.forget("chat")
    assert store.names() == []


def test_a_namespace_that_is_being_deleted_is_said_to_be(store, control_plane, namespace):
    assert store.names() == []
    done = control_plane.kubectl("delete", "namespace", namespace, "--wait=false")
    assert done.returncode == 0, done.stderr
    with pytest.raises(InputError, match=rf"namespace `{namespace}` of context `.*` is being deleted, since 20"):
        store.names()


def test_a_message_of_any_length_is_kept_at_both_ends(store):
    store.append(revision(1))
    message = "the beginning " + "x" * 400_000 + " the root cause"
    store.progress("chat", 1, Progress(outcome="failed", message=message))
    kept = store.entries("chat")[0].progress.message
    assert kept.startswith("the beginning")
    assert kept.endswith("the root cause")


def test_a_claim_is_renewed_while_its_holder_works(store, another, lease, monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 0.2)
    monkeypatch.setattr(module, "DURATION_S", 2)
    with store.changing("chat", "deploy"):
        first = lease()["spec"]["renewTime"]
        time.sleep(3)
        assert lease()["spec"]["renewTime"] > first
        with pytest.raises(ReleaseBusy), another.changing("chat", "deploy"):
            pytest.fail("the claim ran out under its holder")
        store.append(revision(1))


def test_a_claim_whose_holder_died_runs_out(store, another, monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 1000)
    monkeypatch.setattr(module, "DURATION_S", 2)
    holding = store.changing("chat", "deploy")
    holding.__enter__()
    assert another.lease("chat") is not None
    time.sleep(3.5)
    assert another.lease("chat") is None
    with another.changing("chat", "rollback"):
        assert store.lease("chat").operation == "rollback"
        # The first one is back from its sleep: it must not record, and not take the other's lock away.
        with pytest.raises(ReleaseBusy, match="lock of chat"):
            store.append(revision(1))
        holding.__exit__(None, None, None)
        assert store.lease("chat").operation == "rollback"


def test_who_slept_past_its_claim_and_ends_leaves_the_lock_to_who_came_after(store, another, monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 1000)
    monkeypatch.setattr(module, "DURATION_S", 2)
    holding = store.changing("chat", "deploy")
    holding.__enter__()
    time.sleep(3.5)
    with another.changing("chat", "rollback"):
        holding.__exit__(None, None, None)  # it recorded nothing since, so it has not seen that it lost the lock
        assert store.lease("chat").operation == "rollback"


def test_a_claim_counts_from_when_its_renewal_was_sent_and_not_from_a_late_answer(store, another, monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 0.2)
    monkeypatch.setattr(module, "DURATION_S", 2)
    merge, stored, answer = store.cluster.merge, threading.Event(), threading.Event()

    def late(*words, **more):
        monkeypatch.setattr(module, "RENEW_S", 1000)
        changed = merge(*words, **more)
        stored.set()
        answer.wait()
        return changed

    monkeypatch.setattr(store.cluster, "merge", late)
    with store.changing("chat", "deploy"):
        assert stored.wait(10)
        time.sleep(3.5)
        with another.changing("chat", "rollback"):
            answer.set()
            time.sleep(0.5)
            with pytest.raises(ReleaseBusy, match="lock of chat"):
                store.append(revision(1))
            assert another.lease("chat").operation == "rollback"


def test_a_renewal_whose_answer_is_lost_counts_where_it_was_stored(store, monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 0.2)
    monkeypatch.setattr(module, "DURATION_S", 2)
    merge = store.cluster.merge

    def lost(*words, **more):
        merge(*words, **more)
        raise ClusterError("no answer")

    monkeypatch.setattr(store.cluster, "merge", lost)
    with store.changing("chat", "deploy"):
        time.sleep(3)
        store.append(revision(1))


def test_two_renewals_that_get_no_answer_are_given_up_while_the_claim_holds():
    each = module.RENEW_S + module.ANSWER_S
    assert each + module.ANSWER_S + each <= module.DURATION_S  # the look after the first one among them


def test_who_breaks_the_lock_has_it_and_the_other_stops_at_its_next_step(store, another, monkeypatch):
    monkeypatch.setattr(module, "RENEW_S", 1000)
    monkeypatch.setattr(module, "FRESH_S", 0)
    with store.changing("chat", "deploy"):
        store.append(revision(1))
        with another.changing("chat", "rollback", break_lock=True):
            with pytest.raises(ReleaseBusy, match="somebody else took the lock"):
                store.progress("chat", 1, Progress(outcome="good"))
            another.append(revision(2))
    assert another.entries("chat")[0].progress.outcome == "pending"


def test_of_many_who_come_at_once_one_gets_the_lock(open_store):
    stores = [open_store() for _ in range(6)]
    barrier, got, refused = threading.Barrier(6), [], []

    def try_it(one):
        barrier.wait()
        try:
            with one.changing("chat", "deploy"):
                got.append(one)
                time.sleep(2)
        except ReleaseBusy as error:
            refused.append(error)

    threads = [threading.Thread(target=try_it, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 5)


def test_names_are_listed_without_reading_what_the_secrets_hold(store, control_plane, namespace):
    store.append(revision(1))
    (found,) = store.cluster.find("v1", "Secret", labels="infercli.dev/release", metadata=True)
    assert "data" not in found
    assert list(store.names()) == ["chat"]
