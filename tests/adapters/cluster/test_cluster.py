"""The way to the API server: what is sent again and what never, whose words come back, what lies on this machine."""

from __future__ import annotations

import http.server
import json
import logging
import os
import stat
import threading
from pathlib import Path

import kubernetes.client
import pytest
import urllib3.exceptions
from kubernetes.client.exceptions import ApiException

from infercli.adapters.cluster import requests as module
from infercli.adapters.cluster.client import METADATA_ONLY, Cluster, connect
from infercli.adapters.cluster.errors import Forbidden
from infercli.adapters.cluster.kubeconfig import load
from infercli.adapters.cluster.requests import Requests
from infercli.errors import ClusterError, EndpointError, InputError, UnknownName


class Resources:
    def get(self, **_):
        return self

    def path(self, **_):
        return "/path"


class Client:
    """Gives one outcome after the other."""

    def __init__(self, *outcomes):
        self.outcomes, self.sent, self.resources = list(outcomes), [], Resources()

    def request(self, method, path, **words):
        self.sent.append((method, words))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def busy(after="0.1"):
    error = ApiException(status=429, reason="Too Many Requests")
    error.body, error.headers = "Too many requests, please try again later.\n", {"Retry-After": after}
    return error


def over(client):
    return Cluster(Requests(client), "c", "n", "s")


BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


def test_a_busy_server_is_asked_again_also_for_a_write_since_it_did_nothing(monkeypatch):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    client = Client(busy("2"), busy("not a number"), busy("900"), {"kind": "ConfigMap"})
    assert over(client).apply(BODY) == {"kind": "ConfigMap"}
    assert slept == [2.0, 1.0, 5.0]
    queries = [words["query_params"] for _, words in client.sent]
    assert queries == [[("fieldValidation", "Strict")]] * 4


def test_a_server_that_stays_busy_is_given_up(monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with pytest.raises(ClusterError, match="too busy to apply ConfigMap c: Too many requests"):
        over(Client(*[busy() for _ in range(5)])).apply(BODY)


def test_a_write_that_was_not_answered_is_not_sent_again_and_a_read_once():
    broken = urllib3.exceptions.ProtocolError("Connection aborted.")
    client = Client(broken)
    with pytest.raises(ClusterError, match="may have been done all the same"):
        over(client).apply(BODY)
    client = Client(broken, {"kind": "ConfigMap"})
    assert over(client).get("v1", "ConfigMap", "c") == {"kind": "ConfigMap"}
    client = Client(broken, broken)
    with pytest.raises(ClusterError, match="closed the connection"):
        over(client).get("v1", "ConfigMap", "c")


def test_what_was_refused_is_not_sent_again():
    for status in (403, 409, 500):
        client = Client(answered(status, "no"))
        with pytest.raises(ClusterError):
            over(client).get("v1", "ConfigMap", "c")
        assert len(client.sent) == 1


def test_nothing_is_ever_applied_by_force():
    client = Client({})
    over(client).apply(BODY, dry_run=True)
    ((method, words),) = client.sent
    assert (method, words["force_conflicts"], words["field_manager"]) == ("patch", "false", "infercli")
    assert words["dry_run"] == "All"


def test_what_is_deleted_is_what_was_seen_and_nobody_waits_without_an_end():
    client = Client({}, {}, {"items": []}, {"items": None})
    over(client).delete("v1", "Secret", "s", resource_version="7")
    over(client).delete("v1", "Secret", "s")
    over(client).find("v1", "Secret", metadata=True)
    assert over(client).find("v1", "Secret") == []
    seen, any_version, names, whole = (words for _, words in client.sent)
    assert seen["body"]["preconditions"] == {"resourceVersion": "7"}
    assert "preconditions" not in any_version["body"]
    assert names["header_params"] == {"Accept": METADATA_ONLY}
    assert "header_params" not in whole
    assert {words["_request_timeout"] for _, words in client.sent} == {(module.CONNECT_S, module.READ_S)}


def test_credentials_that_ran_out_are_looked_up_anew_and_not_for_every_request(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module, "time", type("Time", (), {"monotonic": lambda: now[0]}))
    logins = []
    refused = answered(401, "Unauthorized")
    client = Client(refused, refused, {"kind": "ConfigMap"}, refused, refused, refused)
    requests = Requests(client, lambda: logins.append(now[0]) or f"client {len(logins)}")
    cluster = Cluster(requests, "c", "n", "s")
    with pytest.raises(ClusterError):
        cluster.get("v1", "ConfigMap", "c")  # just begun: they are as new as they can be
    now[0] += module.LOG_IN_S
    assert cluster.get("v1", "ConfigMap", "c") == {"kind": "ConfigMap"}
    assert (logins, client.client) == ([1010.0], "client 1")
    now[0] += module.LOG_IN_S - 0.1
    with pytest.raises(ClusterError):
        cluster.get("v1", "ConfigMap", "c")
    now[0] += 0.1
    with pytest.raises(ClusterError):
        cluster.get("v1", "ConfigMap", "c")
    assert (logins, client.outcomes) == ([1010.0, 1020.0], [])


def answered(status, body):
    error = ApiException(status=status, reason="r")
    error.body, error.headers = body, {"X-Infercli-Engine": "chat-1"}
    return error


def test_an_answer_of_the_front_and_one_of_the_api_server_are_told_apart():
    front = answered(503, json.dumps({"error": {"message": "no engine is serving"}}))
    answer = over(Client(front)).proxy("chat-serve-svc", "serve", "GET", "/front")
    assert (answer.status, answer.headers["x-infercli-engine"]) == (503, "chat-1")
    assert b"no engine is serving" in answer.body
    message = 'no endpoints available for service "chat-serve-svc"'
    own = answered(503, json.dumps({"kind": "Status", "apiVersion": "v1", "message": message, "reason": "x"}))
    with pytest.raises(EndpointError, match="nobody answers behind Service chat-serve-svc: no endpoints"):
        over(Client(own)).proxy("chat-serve-svc", "serve", "GET", "/front")
    for status in (404, 500):  # a Status need not have a reason
        own = answered(status, json.dumps({"kind": "Status", "apiVersion": "v1", "message": "no such thing"}))
        with pytest.raises(EndpointError, match="nobody answers behind Service chat-serve-svc: no such thing"):
            over(Client(own)).proxy("chat-serve-svc", "serve", "GET", "/front")
    message = 'services "x" is forbidden: User "oncall" cannot create resource "services/proxy"'
    own = answered(403, json.dumps({"kind": "Status", "apiVersion": "v1", "message": message, "reason": "Forbidden"}))
    with pytest.raises(ClusterError, match="not allowed to ask through"):
        over(Client(own)).proxy("chat-serve-svc", "serve", "POST", "/v1/completions")


def test_a_connection_that_is_cut_off_is_nobody_who_answers_and_a_wrong_certificate_is_not():
    def asked(why):
        over(Client(ApiException(status=0, reason=f"SSLError\n{why}"))).proxy("svc", "p", "GET", "/front")

    with pytest.raises(EndpointError, match="TLS with s failed: EOF occurred"):
        asked("EOF occurred in violation of protocol (_ssl.c:1006)")
    with pytest.raises(ClusterError, match="not the one that context `c` trusts"):
        asked("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


def test_a_path_with_a_query_is_not_quoted_twice():
    response = type("R", (), {"status": 200, "headers": {}, "data": b"x"})()
    client = Client(response)
    over(client).proxy("svc", "p", "GET", "/log?a=1&b=x%2Fy")
    assert client.sent[0][1]["query_params"] == [("a", "1"), ("b", "x/y")]
    assert client.sent[0][1]["_request_timeout"] == (module.CONNECT_S, 10.0)


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    def write(**context):
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "prod",
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u", **context}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(content))
        return str(tmp_path / "kubeconfig")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write


@pytest.mark.parametrize("text", ["[]", "a: [", "", "apiVersion: v1\nkind: Config\n", "current-context: x\n", "\x00"])
def test_a_file_that_is_no_kubeconfig_is_an_input_error(text, tmp_path):
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(InputError):
        connect(str(tmp_path / "kubeconfig"), None, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "it has another structure"),
        ("a: b\n c: [\n", "it is not YAML from line 2 on"),
        ("current-context: x\ncontexts: 7\n", "it has another structure"),
    ],
)
def test_why_a_file_is_no_kubeconfig_is_said_in_words_and_not_by_an_exceptions_name(text, why, tmp_path):
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(InputError) as error:
        connect(str(tmp_path / "kubeconfig"), None, None)
    assert error.value.message == f"{tmp_path}/kubeconfig is no kubeconfig: {why}"
    assert "--kubeconfig" in error.value.hint


def test_a_kubeconfig_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(InputError, match=r"^--kubeconfig: there is no file prod.yaml$"):
        connect("prod.yaml", None, None)


def test_who_has_no_home_has_no_kubeconfig_there(monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(os.path, "expanduser", str)  # as it is left where HOME is not set and no user has this id
    with pytest.raises(InputError, match=r"^there is no kubeconfig: ~/.kube/config does not exist$"):
        connect(None, None, None)


def test_a_folder_as_kubeconfig_is_named_once(tmp_path):
    with pytest.raises(InputError) as error:
        connect(str(tmp_path), None, None)
    assert error.value.message == f"{tmp_path} is no kubeconfig: Is a directory"


def test_an_unknown_context_offers_the_nearest(kubeconfig):
    with pytest.raises(UnknownName, match="unknown context `prd`"):
        connect(kubeconfig(), "prd", None)


@pytest.mark.parametrize(
    ("command", "args", "words"),
    [
        ("no-such-plugin", [], "No such file or directory: 'no-such-plugin'"),
        ("sh", ["-c", "echo The SSO session has expired >&2; exit 255"], "returned 255. The SSO session has expired"),
        ("echo", ["not JSON"], "failed to decode process output"),
        (
            "echo",
            ['{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {}}'],
            "token",
        ),
    ],
)
def test_credentials_that_cannot_be_had_are_told(kubeconfig, tmp_path, capsys, command, args, words):
    path = kubeconfig()
    content = json.loads((tmp_path / "kubeconfig").read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never"}
    content["users"][0]["user"] = {"exec": plugin | {"args": args}}
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    with pytest.raises(ClusterError) as error:
        connect(path, None, None)
    assert f"the credential plugin of context `prod`, {command}, gave no credentials" in error.value.message
    assert words in error.value.message
    assert f"`kubectl --kubeconfig {path} --context prod auth whoami`" in error.value.hint
    assert capsys.readouterr().err == ""


def test_a_plugin_whose_token_runs_out_and_that_gives_no_other_says_nothing_itself(
    kubeconfig, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(logging.root, "handlers", [])  # pytest's own
    path = kubeconfig()
    content = json.loads((tmp_path / "kubeconfig").read_text())
    status = {"token": "t", "expirationTimestamp": "2026-01-02T03:04:05Z"}
    first = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    once = f"test -e {tmp_path}/asked && exit 7; touch {tmp_path}/asked; echo '{json.dumps(first)}'"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "Never"}
    content["users"][0]["user"] = {"exec": plugin | {"args": ["-c", once]}}
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    with pytest.raises(ClusterError, match="cannot be reached"):
        connect(path, None, None)
    assert (tmp_path / "asked").exists()
    assert capsys.readouterr().err == ""


def of_server(path, **cluster):
    content = json.loads(Path(path).read_text())
    content["clusters"][0]["cluster"] = cluster
    Path(path).write_text(json.dumps(content))
    return path


def test_no_credentials_go_to_a_server_of_which_nobody_says_that_it_speaks_tls(kubeconfig):
    with pytest.raises(InputError, match=r"has a server without https://: 127\.0\.0\.1:1$") as error:
        connect(of_server(kubeconfig(), server="127.0.0.1:1"), None, None)
    assert error.value.hint == "server: https://127.0.0.1:1"


def test_a_server_without_a_scheme_speaks_tls_where_the_kubeconfig_says_how(kubeconfig):
    configuration = kubernetes.client.Configuration()
    load(configuration, of_server(kubeconfig(), server="127.0.0.1:1", **{"insecure-skip-tls-verify": True}), None)
    assert configuration.host == "https://127.0.0.1:1"


def test_whom_a_context_impersonates_is_said_in_every_request_and_each_group_of_its_own(kubeconfig, tmp_path):
    asked, accepted = [], set()

    class ApiServer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append([(n, v) for n, v in self.headers.items() if n.startswith("Impersonate")])
            accepted.add(self.headers["Accept"])
            body = b'{"kind": "Any", "gitVersion": "v1", "resources": [], "groups": [], "versions": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    path = kubeconfig()
    content = json.loads((tmp_path / "kubeconfig").read_text())
    whom = {"as": "jo", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"example.org/why": ["x", "y"]}}
    content["users"][0]["user"] |= whom
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        content["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "kubeconfig").write_text(json.dumps(content))
        connect(path, None, None).now()
        server.shutdown()
    extra = "Impersonate-Extra-example.org%2Fwhy"
    groups = [("Impersonate-Group", "a"), ("Impersonate-Group", "b")]
    sent = [("Impersonate-User", "jo"), ("Impersonate-Uid", "7"), *groups, (extra, "x"), (extra, "y")]
    assert asked
    assert all(one == sent for one in asked)
    assert None not in accepted  # beside what every request says


@pytest.mark.cluster
def test_an_api_server_takes_a_context_for_the_user_that_it_impersonates(control_plane, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = json.loads(control_plane.kubeconfig().read_text())
    content["users"][0]["user"] |= {"as": "jo", "as-groups": ["a", "b"]}
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    with pytest.raises(Forbidden, match='User "jo" cannot list resource "secrets"'):
        connect(str(tmp_path / "kubeconfig"), None, None).find("v1", "Secret")


def test_what_cannot_be_remembered_of_the_api_server_is_no_trouble(kubeconfig, tmp_path, monkeypatch):
    path = kubeconfig()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # a home that cannot be written, also for root
    with pytest.raises(ClusterError, match="cannot be reached"):
        connect(path, None, None)


@pytest.mark.cluster
def test_the_namespace_is_the_argument_else_the_contexts_else_default(control_plane, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = json.loads(control_plane.kubeconfig().read_text())
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content))
    assert connect(str(path), None, None).namespace == "default"
    content["contexts"][0]["context"]["namespace"] = "team"
    path.write_text(json.dumps(content))
    assert connect(str(path), None, None).namespace == "team"
    assert connect(str(path), None, "other").namespace == "other"


@pytest.mark.cluster
def test_what_is_remembered_of_the_api_server_is_private_and_a_torn_file_is_no_trouble(
    control_plane, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect(str(control_plane.kubeconfig()), None, None).find("v1", "Secret", metadata=True)
    (file,) = (tmp_path / "cache").rglob("*.json")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.write_text(file.read_text()[:100])
    assert connect(str(control_plane.kubeconfig()), None, None).serves("ray.io/v1", "RayService")
    assert capsys.readouterr().err == ""


@pytest.mark.cluster
def test_a_misspelt_field_is_refused_by_name_and_nothing_is_applied(control_plane, namespace, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cluster = connect(str(control_plane.kubeconfig()), None, namespace)
    wrong = {**BODY, "metadata": {"name": "c", "namespace": namespace}, "dataa": {}}
    with pytest.raises(InputError, match=r"\.dataa: field not declared in schema"):
        cluster.apply(wrong)
    assert cluster.get("v1", "ConfigMap", "c") is None
    cluster.delete("v1", "ConfigMap", "c")


@pytest.mark.cluster
def test_where_pods_reach_the_api_server_is_read_of_its_service(control_plane, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["203.0.113.7"]}, {"addresses": ["203.0.113.8"]}],
    }
    control_plane.api.request("POST", path, body)
    try:
        looking = connect(str(control_plane.kubeconfig()), None, "elsewhere")
        assert looking.api_server_addresses() == ["203.0.113.7", "203.0.113.8"]
        with pytest.raises(Forbidden, match="not allowed to read EndpointSlice kubernetes of namespace default"):
            connect(str(control_plane.kubeconfig("nobody")), None, None).api_server_addresses()
    finally:
        control_plane.api.request("DELETE", f"{path}/kubernetes")
    with pytest.raises(ClusterError, match='"kubernetes" not found'):
        looking.api_server_addresses()
