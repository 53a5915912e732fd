"""The way to an endpoint: addresses, proxies, and systems that lack what Linux has."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.errors import InferError
from infercli.loadgen import Target, run
from infercli.loadgen.route import route_to
from tests.fakes.http_proxy import Proxy
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.loads import ROUNDED_S, answering, go
from tests.loadgen.test_run import certificate

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time


def test_of_several_addresses_the_first_that_accepts_is_measured(monkeypatch):
    """`localhost` where it is ::1 first, and a server that listens on IPv4 alone."""
    nobody = socket.create_server(("127.0.0.1", 0))
    refused = nobody.getsockname()
    nobody.close()

    def two(host, port, **_):
        assert host == "engine.test"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (refused, ("127.0.0.1", port))]

    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        monkeypatch.setattr("infercli.loadgen.route.socket.getaddrinfo", two)
        target = Target(parse_endpoint(f"http://engine.test:{server.port}"), "tiny")
        m = run(target, Load(concurrency=1, requests=2), [single("x")])
        assert all(t.answered for t in m.traces)
        assert m.client.other_addresses == 1
    gone = run(target, Load(concurrency=1, requests=2), [single("x")])
    assert {t.error for t in gone.traces} == {"connect"}


def test_a_proxy_is_asked_for_the_whole_url_and_given_its_own_password(monkeypatch):
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        proxy = Proxy(server.port)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        target = Target(parse_endpoint("http://model.invalid:8000"), "tiny")
        m = run(target, Load(concurrency=2, requests=4), [single("x")])
    assert all(t.answered and sum(t.frames) == 4 for t in m.traces), m.traces[0].message
    assert proxy.heads[0].startswith(b"POST http://model.invalid:8000/v1/chat/completions HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic c29tZW9uZTpwQHNz\r\n" in proxy.heads[0]  # base64 of someone:p@ss
    assert m.client.proxy == proxy.url.partition("@")[2], "its address, and neither name nor password"


def test_loopback_is_never_asked_of_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        assert all(t.answered for t in go(server, concurrency=1, requests=2).traces)


@pytest.mark.parametrize(("proxy", "port"), [("http://127.0.0.1", 1080), ("127.0.0.1:3128", 3128)])
def test_a_proxy_without_a_port_is_where_curl_looks_for_it(monkeypatch, proxy, port):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert route_to(parse_endpoint("http://model.invalid:8000"), None, 5.0).address == ("127.0.0.1", port)


def test_a_proxy_of_another_kind_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    target = Target(parse_endpoint("http://model.invalid:8000"), "tiny")
    with pytest.raises(InferError, match="socks5"):
        run(target, Load(concurrency=1, requests=1), [single("x")])


def test_a_proxy_that_refuses_the_way_is_an_error_of_connecting(monkeypatch):
    with answering("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as url:
        monkeypatch.setenv("https_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        target = Target(parse_endpoint("https://model.invalid"), "tiny")
        m = run(target, Load(concurrency=1, requests=1), [single("x")])
    assert (m.traces[0].error, m.traces[0].message) == ("connect", "the proxy answered 407")


def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_key(monkeypatch, tmp_path):
    server_side, client_side = certificate(tmp_path)
    client_side.check_hostname = False  # the certificate is localhost's, and loopback is never asked of a proxy
    with FakeOpenAiServer(Behaviour(tokens=4), ssl_context=server_side, api_key="k3y") as server:
        proxy = Proxy(server.port)
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        target = Target(parse_endpoint("https://model.invalid"), "tiny", api_key="k3y", ssl_context=client_side)
        m = run(target, Load(concurrency=2, requests=4), [single("x")])
    assert all(t.answered and sum(t.frames) == 4 for t in m.traces), m.traces[0].message
    assert all(head.startswith(b"CONNECT model.invalid:443 HTTP/1.1\r\n") for head in proxy.heads)
    assert not [head for head in proxy.heads if b"k3y" in head]


def test_a_proxy_that_closes_without_a_word_is_an_error_of_connecting_at_once(monkeypatch):
    def close_each(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.recv(1 << 16)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=close_each, args=(listener,), daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        target = Target(parse_endpoint("https://model.invalid"), "tiny")
        m = run(target, Load(concurrency=1, requests=1), [single("x")])
    assert (m.traces[0].error, m.traces[0].message) == ("connect", "the proxy closed the connection")


def test_a_name_server_that_is_slow_ends_with_words_and_not_with_a_hang(monkeypatch):
    def slow(*_args, **_more):
        time.sleep(5)
        raise OSError("too late")  # an answer that nobody reads

    monkeypatch.setattr("infercli.loadgen.route.socket.getaddrinfo", slow)
    began = time.monotonic()
    target = Target(parse_endpoint("http://model.invalid:8000"), "tiny")
    with pytest.raises(InferError, match=r"not resolved within 0\.2 s"):
        run(target, Load(concurrency=1, requests=1, connect_timeout_s=0.2), [single("x")])
    assert time.monotonic() - began < 3


def test_a_system_without_epoll_and_timers_is_measured_and_said(monkeypatch):
    monkeypatch.delattr("infercli.loadgen.waker.select.epoll")
    with FakeOpenAiServer(Behaviour(tokens=3)) as server:
        m = go(server, arrivals="constant", rate_per_s=50, requests=10)
        closed = go(server, concurrency=2, requests=6)
    assert m.client.pacing == closed.client.pacing == "poll"
    assert all(t.answered and sum(t.frames) == 3 for t in (*m.traces, *closed.traces))
    assert min(t.sent_s - t.intended_s for t in m.traces) >= -ROUNDED_S
