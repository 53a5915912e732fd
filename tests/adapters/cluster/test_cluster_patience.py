"""What is waited for while a release is changed, and what is an answer; test_cluster_away.py has a real API server."""

from __future__ import annotations

import json

import pytest
import urllib3.exceptions
from kubernetes.client.exceptions import ApiException

from infercli.adapters.cluster import patience
from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.errors import Exists, Stale, away
from infercli.adapters.cluster.patience import Patience
from infercli.adapters.cluster.requests import Requests
from infercli.errors import ClusterError, InferError, ReleaseBusy
from tests.adapters.cluster.test_cluster import BODY, Client

REFUSED = urllib3.exceptions.NewConnectionError(None, "[Errno 111] Connection refused")
REFUSED.__cause__ = ConnectionRefusedError(111, "Connection refused")
BROKEN = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
SILENT = urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out. (read timeout=40.0)")


def answered(status, message="", reason=None, *, plain=False):
    error = ApiException(status=status, reason=reason)
    said = {"kind": "Status", "apiVersion": "v1", "message": message, "reason": reason}
    error.body, error.headers = message if plain else json.dumps(said), {}
    return error


def tls(why):
    return ApiException(status=0, reason=f"SSLError\n{why}")


WEBHOOK = 'Internal error occurred: failed calling webhook "v.example": Post "https://x/y": connection refused'
PASSING = {
    "refused": (REFUSED, "Connection refused"),
    "broken": (BROKEN, "Connection reset by peer"),
    "silent": (SILENT, "Read timed out"),
    "no name": (urllib3.exceptions.NameResolutionError("host", None, OSError(-3, "try again")), "try again"),
    "by a proxy": (urllib3.exceptions.ProxyError("Unable to connect to proxy", REFUSED), "Connection refused"),
    "cut off": (tls("EOF occurred in violation of protocol (_ssl.c:1006)"), "it closes the connection"),
    "busy": (answered(429, "Too many requests", plain=True), "HTTP 429, Too many requests"),
    "etcd": (answered(500, "etcdserver: leader changed"), "HTTP 500, etcdserver: leader changed"),
    "a load balancer": (answered(502, "<html>Bad Gateway", plain=True), "HTTP 502, <html>Bad Gateway"),
    "starting": (answered(503, "the request has been made before all known HTTP paths"), "HTTP 503, the request"),
    "slow": (answered(504, "Timeout: request did not complete within 34s"), "HTTP 504, Timeout"),
}
ANSWERS = {
    "an unknown field": answered(500, "failed to create typed patch object (x): .spec.a: field not declared in schema"),
    "a webhook": answered(500, WEBHOOK),
    "a policy": answered(500, 'admission webhook "v.example" denied the request: no'),
    "no rights": answered(403, "forbidden"),
    "no credentials": answered(401, "Unauthorized"),
    "not there": answered(404, "not found"),
    "a conflict": answered(409, "exists", "AlreadyExists"),
    "too large": answered(413, "too large"),
    "invalid": answered(422, "invalid"),
    "another's certificate": tls("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed"),
    "our bug": TypeError("x"),
    "the lock": ReleaseBusy("x"),
}


@pytest.mark.parametrize("case", PASSING)
def test_what_may_pass_is_told_in_few_words(case):
    error, why = PASSING[case]
    assert away(error).startswith(why) or why in away(error)


@pytest.mark.parametrize("case", ANSWERS)
def test_what_is_an_answer_is_none_of_that(case):
    assert away(ANSWERS[case]) is None


class Claim:
    """`known`: what each renewal says; True for ever after."""

    def __init__(self, *known):
        self.known, self.renewals, self.confirmed = list(known), 0, 0

    def confirm(self):
        self.confirmed += 1

    def renewed(self):
        self.renewals += 1
        found = self.known.pop(0) if self.known else True
        if isinstance(found, InferError):
            raise found
        return found


class Time:
    def __init__(self):
        self.time = 1000.0

    def monotonic(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


@pytest.fixture
def time(monkeypatch):
    time = Time()
    monkeypatch.setattr(patience, "time", time)
    return time


@pytest.fixture
def said():
    return []


@pytest.fixture
def changing(time, said):
    def make(*outcomes, claim=None, up_to_s=60.0):
        requests = Requests(Client(*outcomes))
        requests.patience = Patience("context `c`", up_to_s, said.append)
        requests.patience.claim = claim or Claim()
        return Cluster(requests, "c", "n", "s")

    return make


@pytest.mark.parametrize("case", PASSING)
def test_an_apply_is_sent_until_it_is_answered(changing, time, monkeypatch, case):
    monkeypatch.setattr("infercli.adapters.cluster.requests.time", time)
    error = PASSING[case][0]
    cluster = changing(*[error] * 12, {"kind": "ConfigMap"})
    assert cluster.apply(BODY) == {"kind": "ConfigMap"}
    assert len(cluster.requests.client.sent) == 13


@pytest.mark.parametrize("case", sorted(set(ANSWERS) - {"our bug", "the lock"}))
def test_what_is_an_answer_is_not_asked_for_again(changing, case):
    cluster = changing(ANSWERS[case])
    with pytest.raises(InferError):
        cluster.apply(BODY)
    assert len(cluster.requests.client.sent) == 1


def test_the_lock_is_looked_at_before_every_write_and_renewed_before_anything_is_sent_again(changing):
    claim = Claim(False, False)
    cluster = changing(REFUSED, {}, BROKEN, BROKEN, {"items": []}, claim=claim)
    cluster.apply(BODY)
    assert (claim.confirmed, claim.renewals) == (2, 3)
    cluster.find("v1", "Secret")  # a stale connection, and one that is down
    assert (claim.confirmed, claim.renewals) == (2, 4)


def test_who_lost_the_lock_in_the_silence_sends_nothing_again(changing):
    cluster = changing(REFUSED, claim=Claim(False, ReleaseBusy("somebody else took it")))
    with pytest.raises(ReleaseBusy, match="somebody else took it"):
        cluster.apply(BODY)
    assert len(cluster.requests.client.sent) == 1


def test_a_silence_is_told_once_it_lasts_and_the_next_one_anew(changing, said):
    cluster = changing(REFUSED, {}, REFUSED, REFUSED, REFUSED, {}, BROKEN, REFUSED, {}, up_to_s=63)
    cluster.apply(BODY)
    assert said == []  # back within a second
    cluster.apply(BODY)
    cluster.apply(BODY)
    first, second = said  # after 1 s of the first silence and 1 s of its own: 63 - 2; after 1 + 3 s and 1 s: 63 - 5
    assert "has not answered since 20" in first
    assert first.endswith("Z: Connection refused; it is waited for, up to 61 s")
    assert second.endswith("Z: Connection refused; it is waited for, up to 58 s")


def test_the_time_is_that_of_the_whole_command_and_then_it_is_said_as_ever(changing, time, said):
    cluster = changing(*[REFUSED] * 100, up_to_s=10)
    with pytest.raises(ClusterError, match="cannot be reached at s: Connection refused"):
        cluster.apply(BODY)
    assert time.time == 1009
    assert len(said) == 1
    with pytest.raises(ClusterError, match="cannot be reached"):
        cluster.apply(BODY)
    assert time.time == 1009


def test_what_was_created_without_an_answer_is_told_from_what_another_created(changing):
    taken = answered(409, "exists", "AlreadyExists")
    mine = {**BODY, "metadata": {"name": "c", "uid": "1"}, "data": {"a": "b"}}
    cluster = changing(BROKEN, taken, mine)
    assert cluster.create({**BODY, "data": {"a": "b"}}) == mine
    cluster = changing(BROKEN, taken, mine)
    with pytest.raises(Exists):
        cluster.create({**BODY, "data": {"a": "other"}})
    cluster = changing(taken)
    with pytest.raises(Exists):
        cluster.create({**BODY, "data": {"a": "b"}})  # nobody asks whose it is, where nothing was sent before


def test_a_change_of_one_version_that_was_done_without_an_answer_is_told_from_anothers(changing):
    old = answered(409, "the object has been modified", "Conflict")
    patch = {"metadata": {"resourceVersion": "7", "annotations": {"who": "me"}}}
    mine = {**BODY, "metadata": {"name": "c", "resourceVersion": "8", "annotations": {"who": "me", "more": "x"}}}
    assert changing(SILENT, old, mine).merge("v1", "ConfigMap", "c", patch) == mine
    others = {**mine, "metadata": {**mine["metadata"], "annotations": {"who": "you"}}}
    with pytest.raises(Stale):
        changing(SILENT, old, others).merge("v1", "ConfigMap", "c", patch)


def test_what_was_deleted_without_an_answer_is_deleted(changing):
    from kubernetes.dynamic.exceptions import NotFoundError

    gone = NotFoundError.__new__(NotFoundError)
    gone.status, gone.reason, gone.body, gone.headers = 404, "Not Found", "", {}
    cluster = changing(BROKEN, gone)
    cluster.delete("v1", "Secret", "s")
    assert [method for method, _ in cluster.requests.client.sent] == ["delete", "delete"]


def test_who_cannot_wait_is_answered_at_once(changing, time):
    cluster = changing(REFUSED, REFUSED)
    with pytest.raises(ClusterError):
        cluster.merge("v1", "ConfigMap", "c", {"metadata": {}}, timeout_s=4.0)
    with pytest.raises(ClusterError):
        cluster.get("v1", "ConfigMap", "c", timeout_s=4.0)
    assert time.time == 1000


def test_ctrl_c_in_a_wait_ends_waiting_and_one_at_another_time_does_not(changing, time):
    cluster = changing(KeyboardInterrupt(), REFUSED, {})
    with pytest.raises(KeyboardInterrupt):
        cluster.apply(BODY)
    assert cluster.apply(BODY) == {}  # nobody was silent: what is put back may wait
    cluster = changing(REFUSED, KeyboardInterrupt(), REFUSED)
    for error in (KeyboardInterrupt, ClusterError):
        with pytest.raises(error):
            cluster.apply(BODY)
    assert time.time == 1002


def test_ctrl_c_between_two_tries_is_one_and_no_api_server_that_was_given_up(changing, time, monkeypatch):
    def pressed(_seconds):
        raise KeyboardInterrupt

    cluster = changing(REFUSED, REFUSED)
    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", pressed)
        with pytest.raises(KeyboardInterrupt):
            cluster.apply(BODY)
    with pytest.raises(ClusterError):
        cluster.apply(BODY)  # nor is it waited for again
    assert time.time == 1000
