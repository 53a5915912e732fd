from __future__ import annotations

import pytest

from infercli.core.endpoint import parse_endpoint, url_meant
from infercli.errors import InputError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("HTTP://host/v1/", "http://host"),
        ("https://host:443/", "https://host"),
        ("https://host:8443/a/b", "https://host:8443/a/b"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        (
            "https://api:6443/api/v1/namespaces/ml/services/chat:8000/proxy/v1",
            "https://api:6443/api/v1/namespaces/ml/services/chat:8000/proxy",
        ),
    ],
)
def test_a_base_url_means_the_same_with_and_without_v1(text, url):
    assert parse_endpoint(text).url == url


@pytest.mark.parametrize("text", ["", "host:8000", "ftp://host", "http://", "http://host:x", "http://a b"])
def test_what_is_not_a_base_url_is_refused_with_an_example(text):
    with pytest.raises(InputError) as caught:
        parse_endpoint(text)
    assert "http://127.0.0.1:8000" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["http://user:hunter2@host:8000/v1", "http://hunter2@host", "ftp://x:hunter2@host"])
def test_a_password_in_a_url_is_refused_and_not_repeated(text):
    with pytest.raises(InputError) as caught:
        parse_endpoint(text)
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize("more", ["?api-key=hunter2", "#hunter2", "/v1?key=hunter2#x"])
def test_what_follows_a_base_url_is_told_from_it_and_not_repeated(more):
    with pytest.raises(InputError, match=r"a query or a fragment follows `http://host:8000(/v1)?`") as caught:
        parse_endpoint(f"http://host:8000{more}")
    assert caught.value.hint == "write http://host:8000"
    assert "hunter2" not in str(caught.value)


def test_a_port_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="70000"):
        parse_endpoint("http://host:70000")


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.0.1", False)]
)
def test_only_loopback_is_this_machine(host, here):
    assert parse_endpoint(f"http://{host}:1").is_loopback is here


@pytest.mark.parametrize(
    "call", ["/v1/chat/completions", "/v1/completions/", "/v1/models", "/chat/completions", "/metrics"]
)
def test_a_call_of_an_endpoint_is_answered_with_its_base_url(call):
    with pytest.raises(InputError, match="not its base URL") as refused:
        parse_endpoint(f"http://host:8000/serve{call}")
    assert refused.value.hint == "write http://host:8000/serve"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("10.0.0.7", "http://10.0.0.7"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("gpu-1.example.com:8000", "http://gpu-1.example.com:8000"),
        ("htp://me:key@host/x?key=1", "http://host/x"),
        ("chat", None),
        ("chat-2", None),
        ("./chat", None),
    ],
)
def test_what_looks_like_an_address_is_told_from_a_name(name, meant):
    assert url_meant(name) == meant
