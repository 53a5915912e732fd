"""Every exception of the Kubernetes client is either in words or known not to come up."""

from __future__ import annotations

import inspect
import json
import shlex

import pytest
import urllib3.exceptions
from kubernetes.client import exceptions as client_exceptions
from kubernetes.config import ConfigException
from kubernetes.dynamic import exceptions as dynamic_exceptions

from infercli.adapters.cluster.errors import (
    IN_CLUSTER,
    TRANSLATIONS,
    Doing,
    Exists,
    Stale,
    api_status,
    refused,
    translate,
)
from infercli.errors import ClusterError, InferError, InputError

DOING = Doing("apply", "RayService chat", "prod", "gke", "https://10.0.0.1:6443")

OF_WRONG_CALLERS = {
    *("OpenApiException", "ApiAttributeError", "ApiKeyError", "ApiTypeError", "ApiValueError"),
    *("MessageDefect", "httplib_IncompleteRead"),
}
"""Bugs, which must stay ones, and classes that urllib3 only imports."""
OF_CALLS_NOT_MADE = {"KubernetesValidateMissing"}
WARNINGS = {name for name, kind in inspect.getmembers(urllib3.exceptions, inspect.isclass) if issubclass(kind, Warning)}


def exceptions_of(module):
    found = inspect.getmembers(module, lambda m: inspect.isclass(m) and issubclass(m, Exception))
    return dict(found)


CLIENT = (
    exceptions_of(urllib3.exceptions)
    | exceptions_of(client_exceptions)
    | exceptions_of(dynamic_exceptions)
    | {"ConfigException": ConfigException}
)
COMING = {n: k for n, k in CLIENT.items() if n not in OF_WRONG_CALLERS | OF_CALLS_NOT_MADE | WARNINGS}


def test_every_exception_of_the_client_has_a_translation_or_cannot_come_up():
    unmapped = {n for n, kind in COMING.items() if not any(k.__name__ in TRANSLATIONS for k in kind.__mro__)}
    assert unmapped == set()


def test_no_row_is_for_an_exception_that_the_client_no_longer_has():
    assert set(TRANSLATIONS) - set(CLIENT) == set()


@pytest.mark.parametrize("name", sorted(OF_WRONG_CALLERS | OF_CALLS_NOT_MADE))
def test_what_is_our_own_mistake_stays_the_bug_that_it_is(name):
    kind = CLIENT[name]
    assert translate(kind.__new__(kind), DOING) is None


def made(kind):
    """An instance, however its constructor wants to be called."""
    if issubclass(kind, client_exceptions.ApiException):
        error = kind.__new__(kind)
        error.status, error.reason, error.body, error.headers = 418, "teapot", "short and stout", {}
        return error
    error = kind.__new__(kind)
    if kind.__name__ in ("IncompleteRead", "InvalidChunkLength"):
        error.partial, error.expected, error.response, error.length = 1, 2, None, b"x"
        return error
    Exception.__init__(error, "what urllib3 said <object at 0x7f>: [Errno 111] Connection refused")
    return error


@pytest.mark.parametrize("name", sorted(COMING))
def test_each_becomes_one_of_ours_with_a_hint_and_without_python_in_it(name):
    ours = translate(made(COMING[name]), DOING)
    assert isinstance(ours, InferError)
    assert ours.hint
    assert "0x7f" not in ours.message
    assert not ours.message.endswith(".")


def test_why_a_connection_was_closed_is_said_without_the_words_of_python_around_it():
    error = urllib3.exceptions.ProtocolError(
        "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
    )
    assert "closed the connection (apply RayService chat: Connection reset by peer)" in translate(error, DOING).message


def status(code, message, reason=None, causes=()):
    body = {"kind": "Status", "apiVersion": "v1", "message": message, "reason": reason, "details": {"causes": causes}}
    return refused(api_status(code, json.dumps(body)), DOING)


def test_a_conflict_names_the_field_and_who_manages_it():
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl-edit" using ray.io/v1',
        "field": ".spec.serveConfigV2",
    }
    ours = status(409, "Apply failed with 1 conflict: ...", "Conflict", [cause])
    assert isinstance(ours, ClusterError)
    assert ".spec.serveConfigV2: managed by kubectl-edit" in ours.message
    assert """jq 'del(.metadata.managedFields[] | select(.manager | IN("kubectl-edit")))' | kubectl""" in ours.hint


def test_a_taken_name_and_an_old_version_are_told_apart():
    assert isinstance(status(409, 'leases "x" already exists', "AlreadyExists"), Exists)
    assert isinstance(status(409, "the object has been modified", "Conflict"), Stale)


def test_an_unknown_field_is_the_users_although_the_server_says_500():
    what = "failed to create typed patch object (/chat; ray.io/v1, Kind=RayService)"
    ours = status(500, f"{what}: .spec.nope: field not declared in schema")
    assert isinstance(ours, InputError)
    assert ours.message.endswith(".spec.nope: field not declared in schema")


def test_all_causes_of_an_invalid_object_are_told_and_the_empty_one_is_not():
    causes = [
        {"field": "spec.rayClusterConfig.headGroupSpec", "message": "Required value"},
        {"field": "<nil>", "message": "some validation rules were not checked"},
    ]
    ours = status(422, "RayService is invalid", "Invalid", causes)
    assert isinstance(ours, InputError)
    assert ours.message.splitlines()[1:] == ["spec.rayClusterConfig.headGroupSpec: Required value"]


def test_a_timeout_of_a_write_says_that_it_may_have_been_done():
    write = translate(made(COMING["ReadTimeoutError"]), DOING)
    read = translate(made(COMING["ReadTimeoutError"]), DOING._replace(verb="read"))
    assert "may have been done" in write.message
    assert "may have been done" not in read.message
    assert "may have been done" in translate(made(COMING["ReadTimeoutError"]), DOING._replace(verb="delete")).message
    assert "may have been done" in status(504, "Timeout: request did not complete").message


@pytest.mark.parametrize(
    ("code", "message", "words", "hint"),
    [
        (401, "Unauthorized", "does not accept the credentials of context `gke`", "auth whoami"),
        (
            403,
            'forbidden: User "system:anonymous" cannot get path "/apis"',
            "does not accept the credentials",
            "log in",
        ),
        (403, 'rayservices.ray.io is forbidden: User "x" cannot patch', 'User "x" cannot patch', "can-i --list"),
        (403, 'pods "p" is forbidden: violates PodSecurity "restricted"', "Pod Security refuses", "prod"),
        (403, "exceeded quota: gpus, requested: 2", "exceeded quota", "describe resourcequota"),
        (403, "unable to create new content in namespace prod because it is being terminated", "terminated", "another"),
        (422, "spec.selector: Invalid value: field is immutable", "field is immutable", "prod delete rayservice chat`"),
        (404, 'namespaces "prod" not found', "there is no namespace `prod`", "create namespace prod"),
        (404, "404 page not found", "KubeRay is not installed", "helm install"),
        (429, "Too many requests", "too busy", "later"),
        (503, "etcd is away", "HTTP 503", "readyz"),
        (
            403,
            'admission webhook "validation.gatekeeper.sh" denied the request: [team] label needed',
            "a policy of the cluster refuses RayService chat",
            "get validatingwebhookconfigurations",
        ),
        (400, 'admission webhook "validate.kyverno.svc-fail" denied the request: no', "a policy of the", "webhook"),
        (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "a policy of the", "policies`"),
        (500, 'failed calling webhook "dead.example": connection refused', "RayService chat is as it was", "webhook"),
    ],
)
def test_each_status_says_what_happened_and_what_to_type(code, message, words, hint):
    ours = status(code, message)
    assert words in ours.message
    assert hint in ours.hint


def test_an_answer_that_is_no_status_is_quoted():
    ours = refused(api_status(502, b"<html>Bad Gateway</html>"), DOING)
    assert "<html>Bad Gateway</html>" in ours.message


def test_a_wrapped_reason_is_what_is_said():
    inner = urllib3.exceptions.NameResolutionError("api.example", None, OSError(-2, "Name or service not known"))
    outer = urllib3.exceptions.MaxRetryError(None, "/version", inner)
    ours = translate(outer, DOING)
    assert "cannot be reached at https://10.0.0.1:6443" in ours.message
    assert "api.example" in ours.message


def test_a_command_for_a_person_is_for_the_cluster_that_was_meant():
    assert DOING.kubectl == "kubectl --context gke"
    assert DOING._replace(context=IN_CLUSTER).kubectl == "kubectl"  # in a pod there is no context of that name
    other = DOING._replace(context="team a", kubeconfig="/tmp/of staging")
    assert shlex.split(other.kubectl) == ["kubectl", "--kubeconfig", "/tmp/of staging", "--context", "team a"]


def test_a_certificate_that_is_not_trusted_is_told_from_another_trouble_with_tls():
    error = client_exceptions.ApiException(status=0, reason="SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] unable to get")
    assert "the certificate of https://10.0.0.1:6443 is not the one" in translate(error, DOING).message
    error = client_exceptions.ApiException(
        status=0, reason="SSLError\n[SSL: WRONG_VERSION_NUMBER] wrong version number"
    )
    assert translate(error, DOING).message == (
        "TLS with https://10.0.0.1:6443 failed: [SSL: WRONG_VERSION_NUMBER] wrong version number"
    )
