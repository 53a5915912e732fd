"""What the environment's proxy variables mean, and that none of their secrets comes back."""

from __future__ import annotations

import base64

import pytest

from infercli.core.endpoint import parse_endpoint
from infercli.core.proxy import Proxy, proxy_for
from infercli.errors import InputError

FAR = parse_endpoint("https://model.invalid:8000")


def proxy(named, endpoint=FAR, bypassed=()):
    return proxy_for(endpoint, {"https": named}, lambda host: host in bypassed)


def test_a_proxy_is_a_host_with_what_else_is_said_of_it():
    secret = "Basic " + base64.b64encode(b"me:p/ss").decode()
    assert proxy("http://me:p%2Fss@gate:3128") == Proxy("gate", 3128, secret)
    assert proxy("gate") == Proxy("gate", 1080, None)  # as curl has it


def test_loopback_what_is_bypassed_and_another_scheme_have_none():
    assert proxy("gate", parse_endpoint("https://127.0.0.1:8000")) is None
    assert proxy("gate", bypassed=("model.invalid:8000",)) is None
    assert proxy("gate", parse_endpoint("http://model.invalid:8000")) is None


def test_all_proxy_is_that_of_a_scheme_without_one_of_its_own():
    none = ()
    assert proxy_for(FAR, {"all": "gate:1"}, none.__contains__) == Proxy("gate", 1, None)
    assert proxy_for(FAR, {"all": "gate:1", "https": "own:2"}, none.__contains__) == Proxy("own", 2, None)
    assert proxy_for(FAR, {"all": "gate:1"}, lambda _: True) is None
    with pytest.raises(InputError, match="ALL_PROXY names a proxy of the kind socks5h://"):
        proxy_for(FAR, {"all": "socks5h://gate:1080"}, none.__contains__)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("http://me:hid/den@gate:3128", "HTTPS_PROXY cannot be read as a URL"),  # its port is `hid`
        ("http://gate:70000", "HTTPS_PROXY cannot be read as a URL"),
        ("http://[gate", "HTTPS_PROXY cannot be read as a URL"),
        ("socks5://gate:1080", "a proxy of the kind socks5://"),
        ("http://", "HTTPS_PROXY names no host"),
    ],
)
def test_what_is_no_http_proxy_is_refused_and_not_quoted(named, words):
    with pytest.raises(InputError) as refused:
        proxy(named)
    assert words in refused.value.message
    assert "hid" not in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.__cause__ is None
    assert refused.value.hint
