from __future__ import annotations

import http.client
import socket
import ssl
import subprocess

import pytest

from infercli.adapters import openai_api as module
from infercli.adapters.openai_api import OpenAiApi
from infercli.adapters.openai_errors import Refused, Unreachable, unreachable
from infercli.core.endpoint import parse_endpoint
from infercli.errors import EndpointError
from tests.fakes.http_proxy import Proxy
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.loads import answering

ASK = [{"role": "user", "content": "hello"}]


def api(server: FakeOpenAiServer, **more) -> OpenAiApi:
    return OpenAiApi(parse_endpoint(server.url), **{"timeout_s": 10.0, **more})


def test_models_are_listed_by_name():
    with FakeOpenAiServer(model="org/tiny") as server:
        assert api(server).models() == ["org/tiny"]


def test_a_chat_answer_has_its_text_usage_and_engine():
    with FakeOpenAiServer(Behaviour(tokens=2, headers=(("X-Infercli-Engine", "chat-1"),))) as server:
        stream = api(server).stream_chat(ASK, model="tiny", max_tokens=5, temperature=0)
        assert "".join(stream) == " word0 word1"
        body = server.completion_requests[0].body
    answer = stream.answer
    assert (answer.text, answer.finish_reason) == (" word0 word1", "length")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.engine) == (7, 2, "chat-1")
    asked = {"model": "tiny", "messages": ASK, "max_tokens": 5, "temperature": 0}
    assert body == {**asked, "stream": True, "stream_options": {"include_usage": True}}


def test_pieces_come_as_they_are_sent_and_not_at_the_end():
    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.2)) as server:
        stream = api(server).stream_chat(ASK, model="tiny")
        first = next(stream)
        sent = len(server.completion_requests[0].sends)
        rest = list(stream)
    assert first == " word0"
    assert sent < 4  # the server had not sent the last when the first was here
    assert rest == [" word1", " word2", " word3"]
    answer = stream.answer
    assert (answer.text, answer.completion_tokens, answer.finish_reason) == (" word0 word1 word2 word3", 4, "length")


def test_an_answer_that_was_not_read_to_its_end_is_not_whole():
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        stream = api(server).stream_chat(ASK, model="tiny")
        next(stream)
        with pytest.raises(EndpointError, match="not complete"):
            _ = stream.answer


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(truncate_after=2), "before its answer was whole|broke off"),
        (Behaviour(end_early_after=2), "broke off"),
        (Behaviour(error_after=2), "the engine died"),
        (Behaviour(error_after=2, error_name="error"), "the engine died"),
    ],
)
def test_a_stream_that_breaks_raises_after_what_came(behaviour, words):
    with FakeOpenAiServer(behaviour) as server:
        pieces = []
        with pytest.raises(EndpointError, match=words):
            for piece in api(server).stream_chat(ASK, model="tiny"):
                pieces.append(piece)  # noqa: PERF402  # what came before the error is the point
    assert pieces == [" word0", " word1"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_streams_with_comments_and_other_line_ends_are_read(newline):
    with FakeOpenAiServer(Behaviour(tokens=3, comment_every=1, newline=newline)) as server:
        assert "".join(api(server).stream_chat(ASK, model="tiny")) == " word0 word1 word2"


def test_halves_of_a_character_that_came_apart_are_put_together():
    halves = ("a", "\ud83d", "\ude00", "\ude00", "\ud83d")
    with FakeOpenAiServer(Behaviour(tokens=5, content=lambda i: halves[i])) as server:
        assert "".join(api(server).stream_chat(ASK, model="tiny")) == "a\U0001f600\ufffd"  # the last half never came


def test_half_a_character_in_an_error_is_printable():
    with FakeOpenAiServer(Behaviour(status=500, message="half \ud83d")) as server, pytest.raises(Refused) as error:
        api(server).stream_chat(ASK, model="tiny")
    assert "half \ufffd" in error.value.message


def test_heads_before_the_answers_own_are_gone_past():
    hint = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
    with FakeOpenAiServer(Behaviour(tokens=2, interim=hint + hint)) as server:
        assert "".join(api(server).stream_chat(ASK, model="tiny")) == " word0 word1"


def test_a_stream_is_asked_for_without_usage_where_that_is_refused():
    with FakeOpenAiServer(Behaviour(tokens=2, refuses="stream_options")) as server:
        stream = api(server).stream_chat(ASK, model="tiny")
        assert "".join(stream) == " word0 word1"
        assert stream.answer.completion_tokens is None


def test_a_limit_is_given_by_its_other_name_where_the_first_is_refused_and_a_temperature_stays():
    with FakeOpenAiServer(Behaviour(tokens=2, unsupported=("max_tokens",))) as server:
        assert "".join(api(server).stream_chat(ASK, model="tiny", max_tokens=5)) == " word0 word1"
        assert server.completion_requests[1].body["max_completion_tokens"] == 5
    refusing = FakeOpenAiServer(Behaviour(unsupported=("temperature",)))
    with refusing as server, pytest.raises(EndpointError, match="temperature"):
        api(server).stream_chat(ASK, model="tiny", temperature=0)


def test_a_field_that_is_refused_though_it_was_left_out_is_not_left_out_for_ever():
    said = "max_completion_tokens is not supported"
    with FakeOpenAiServer(Behaviour(status=400, message=said)) as server:
        with pytest.raises(EndpointError, match=said):
            api(server).stream_chat(ASK, model="tiny", max_tokens=5)
        assert ["max_tokens" in request.body for request in server.completion_requests] == [True, False]


def test_usage_that_is_absent_is_none():
    with FakeOpenAiServer(Behaviour(usage=False)) as server:
        stream = api(server).stream_chat(ASK, model="tiny")
        list(stream)
        assert (stream.answer.prompt_tokens, stream.answer.completion_tokens) == (None, None)


def test_tokenize_gives_the_engines_token_ids():
    with FakeOpenAiServer() as server:
        assert api(server).tokenize("three little words", model="tiny") == [0, 1, 2]
        assert server.served[-1].body["add_special_tokens"] is False


def test_a_proxy_prefix_is_before_every_path():
    with FakeOpenAiServer(prefix="/api/v1/namespaces/ml/services/chat:8000/proxy") as server:
        client = api(server)
        assert client.models() == ["tiny"]
        assert "".join(client.stream_chat(ASK, model="tiny"))


def test_a_key_is_sent_and_never_shown():
    with FakeOpenAiServer(api_key="k3y-right") as server:
        assert api(server, api_key="k3y-right").models() == ["tiny"]
        with pytest.raises(Refused) as caught:
            api(server, api_key="k3y-wrong").models()
    assert caught.value.status == 401
    assert "does not accept this API key" in caught.value.message
    assert "INFERCLI_API_KEY" in str(caught.value.hint)
    assert "k3y-wrong" not in f"{caught.value!r}{caught.value.hint}"


def test_a_missing_key_is_told_from_a_wrong_one():
    with FakeOpenAiServer(api_key="k") as server, pytest.raises(Refused, match="wants an API key"):
        api(server).models()


def test_a_key_that_no_header_can_carry_is_refused_and_not_shown():
    with FakeOpenAiServer() as server:
        for key in ("s3cret\r\nX: 1", "s3cr\u20act"):
            with pytest.raises(EndpointError) as caught:
                api(server, api_key=key).models()
            assert "s3cr" not in f"{caught.value!r}{caught.value.hint}"
            assert "Authorization" in caught.value.message
        assert server.served == []


def test_an_unknown_model_offers_the_nearest_served():
    with FakeOpenAiServer(model="org/Tiny-Llama") as server, pytest.raises(Refused) as caught:
        api(server).stream_chat(ASK, model="org/tiny-lama")
    assert "does not serve a model `org/tiny-lama`" in caught.value.message
    assert caught.value.hint == "did you mean `org/Tiny-Llama`?"


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (400, "refused the request with HTTP 400: no such thing", None),
        (403, "forbids it", "ask who runs"),
        (413, "too large", "max_body_mib"),
        (429, "is busy: no such thing", "try again in 7 s"),
        (503, "is not ready: no such thing", "try again in 7 s"),
        (500, "failed with HTTP 500: no such thing", "infercli logs"),
        (307, "redirects", "does not follow"),
    ],
)
def test_each_status_says_what_it_means_and_what_to_do(status, message, hint):
    behaviour = Behaviour(status=status, message="no such thing", headers=(("Retry-After", "7"),))
    with FakeOpenAiServer(behaviour) as server, pytest.raises(Refused) as caught:
        api(server).stream_chat(ASK, model="tiny")
    assert message in caught.value.message
    assert hint is None if caught.value.hint is None else hint in caught.value.hint
    assert (caught.value.status, caught.value.retry_after_s) == (status, 7.0)


def test_a_redirect_says_where_to_without_what_its_query_holds():
    behaviour = Behaviour(status=308, headers=(("Location", "https://127.0.0.1/serve?token=s3cret"),))
    with FakeOpenAiServer(behaviour) as server, pytest.raises(Refused) as caught:
        api(server).stream_chat(ASK, model="tiny")
    assert caught.value.message == f"{server.url} redirects to https://127.0.0.1/serve"


def test_a_retry_after_that_is_absent_or_a_date_is_none():
    for headers in ((), (("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),)):
        with FakeOpenAiServer(Behaviour(status=503, headers=headers)) as server, pytest.raises(Refused) as caught:
            api(server).stream_chat(ASK, model="tiny")
        assert caught.value.retry_after_s is None
        assert "try again shortly" in str(caught.value.hint)


def test_a_server_that_refuses_before_it_has_read_everything_is_heard():
    with FakeOpenAiServer(max_body_bytes=1000) as server, pytest.raises(Refused, match="too large") as caught:
        api(server).stream_chat([{"role": "user", "content": "x" * 8_000_000}], model="tiny")
    assert caught.value.status == 413


def test_a_path_that_is_not_there_names_it():
    with FakeOpenAiServer() as server, pytest.raises(Refused, match=r"has no /front"):
        api(server).post_json("/front", {})


def test_nobody_listening_says_how_to_find_out():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match=f"nothing listens at http://127.0.0.1:{port}") as caught:
        OpenAiApi(parse_endpoint(f"http://127.0.0.1:{port}")).models()
    assert "infercli status" in str(caught.value.hint)


def test_silence_is_a_timeout_with_its_length():
    with FakeOpenAiServer(Behaviour(silent=True)) as server, pytest.raises(Unreachable, match=r"within 0\.2 s"):
        api(server, timeout_s=0.2).stream_chat(ASK, model="tiny")


def test_silence_in_the_middle_of_a_stream_is_a_timeout():
    with FakeOpenAiServer(Behaviour(tokens=3, itl_s=3.0)) as server:
        stream = api(server, timeout_s=0.3).stream_chat(ASK, model="tiny")
        assert next(stream) == " word0"
        with pytest.raises(Unreachable, match="did not answer"):
            next(stream)


def test_an_answer_of_which_half_came_is_no_answer():
    half = "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"
    with answering(half) as url, pytest.raises(EndpointError, match=r"within 0\.2 s"):
        OpenAiApi(parse_endpoint(url), timeout_s=0.2).models()


def test_a_port_that_speaks_no_http_is_named():
    with FakeOpenAiServer(Behaviour(garbage=True)) as server, pytest.raises(EndpointError, match="does not speak HTTP"):
        api(server).stream_chat(ASK, model="tiny")


@pytest.mark.parametrize(
    ("scheme", "error", "hint"),
    [
        ("http", http.client.RemoteDisconnected("x"), "try again; or is it https://?"),
        ("https", http.client.RemoteDisconnected("x"), "try again"),
        ("http", ConnectionResetError(), "try again"),  # in the midst of an answer, which nobody begins without TLS
    ],
)
def test_a_port_that_closes_without_a_word_may_want_tls(scheme, error, hint):
    assert unreachable(error, parse_endpoint(f"{scheme}://gpu7:8000"), 1.0).hint == hint


def test_json_where_a_stream_was_asked_for_is_not_taken_for_one():
    words = "streaming request with application/json"
    with FakeOpenAiServer(Behaviour(not_a_stream=True)) as server, pytest.raises(EndpointError, match=words):
        api(server).stream_chat(ASK, model="tiny")


def test_https_needs_a_certificate_that_is_trusted(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: no certificate for the test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with FakeOpenAiServer(ssl_context=context) as server:
        endpoint = parse_endpoint(server.url.replace("127.0.0.1", "localhost"))
        trusting = ssl.create_default_context(cafile=cert)
        assert OpenAiApi(endpoint, ssl_context=trusting).models() == ["tiny"]
        with pytest.raises(Unreachable, match="not trusted") as caught:
            OpenAiApi(endpoint).models()
        assert "SSL_CERT_FILE" in str(caught.value.hint)
        with pytest.raises(Unreachable, match="is not valid for") as caught:
            OpenAiApi(parse_endpoint(server.url), ssl_context=trusting).models()
        assert caught.value.hint == "give the URL with a name that it is for"


def every(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(k for sub in kind.__subclasses__() for k in every(sub))]


def test_every_exception_of_http_and_tls_has_words():
    endpoint = parse_endpoint("http://h:1")
    made = {
        http.client.IncompleteRead: (b"",),
        http.client.BadStatusLine: ("x",),
        http.client.LineTooLong: ("x",),
        http.client.RemoteDisconnected: ("x",),
        http.client.UnknownProtocol: ("x",),
    }
    kinds = [*every(http.client.HTTPException), *every(ssl.SSLError), ConnectionResetError, TimeoutError, OSError]
    for kind in kinds:
        if not kind.__module__.startswith(("http.", "ssl", "builtins")):
            continue  # other libraries' own, which http.client does not raise
        cause = cert_error() if kind is ssl.SSLCertVerificationError else kind(*made.get(kind, ()))
        error = unreachable(cause, endpoint, 1)
        assert isinstance(error, EndpointError)
        assert "http://h:1" in error.message
        assert "None" not in error.message


def cert_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message, error.verify_code = "self-signed certificate", 18
    return error


@pytest.fixture
def proxied(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lambda url: [monkeypatch.setenv(name, url) for name in ("http_proxy", "https_proxy")]


def test_a_host_that_only_the_proxy_knows_is_asked_through_it(proxied):
    with FakeOpenAiServer(Behaviour(tokens=2), api_key="k3y", prefix="/serve") as server:
        proxy = Proxy(server.port)
        proxied(proxy.url)
        beyond = OpenAiApi(parse_endpoint("http://model.invalid:8000/serve"), api_key="k3y", timeout_s=10)
        assert beyond.models() == ["tiny"]
        assert "".join(beyond.stream_chat(ASK, model="tiny")) == " word0 word1"
        assert server.served[0].headers["host"] == "model.invalid:8000"
    assert proxy.heads[0].startswith(b"GET http://model.invalid:8000/serve/v1/models HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic c29tZW9uZTpwQHNz\r\n" in proxy.heads[0]  # base64 of someone:p@ss


def test_https_goes_through_a_tunnel_and_its_certificate_is_the_endpoints(proxied, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate,
         "-subj", "/CN=model.invalid", "-addext", "subjectAltName=DNS:model.invalid"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with FakeOpenAiServer(ssl_context=context) as server:
        proxy = Proxy(server.port)
        proxied(proxy.url)
        ours = ssl.create_default_context(cafile=str(certificate))
        beyond = OpenAiApi(parse_endpoint("https://model.invalid"), api_key="k3y", timeout_s=10, ssl_context=ours)
        assert beyond.models() == ["tiny"]
    assert proxy.heads[0].startswith(b"CONNECT model.invalid:443 HTTP/1.")
    assert b"k3y" not in proxy.heads[0]


def test_a_proxy_that_is_not_there_is_named_and_loopback_is_not_asked_of_it(proxied):
    proxied("http://127.0.0.1:1")
    with FakeOpenAiServer() as server:
        assert api(server).models() == ["tiny"]
    with pytest.raises(Unreachable, match=r"the proxy 127\.0\.0\.1:1 cannot be reached") as error:
        OpenAiApi(parse_endpoint("http://model.invalid"), timeout_s=5).models()
    assert "NO_PROXY" in error.value.hint


def test_all_proxy_is_that_of_a_scheme_without_one_of_its_own(monkeypatch):
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeOpenAiServer() as server:
        proxy = Proxy(server.port)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert OpenAiApi(parse_endpoint("http://model.invalid"), timeout_s=10).models() == ["tiny"]
    assert proxy.heads[0].startswith(b"GET http://model.invalid/v1/models HTTP/1.1\r\n")


def test_content_that_is_no_text_is_left_out_of_the_answer():
    # Some give parts of several kinds: [{"type": "thinking", ...}].
    state = module._StreamState(None)
    event = b'{"choices": [{"delta": {"content": [{"type": "thinking"}]}}]}'
    assert OpenAiApi(parse_endpoint("http://127.0.0.1:9"))._piece(event, state) == ""
