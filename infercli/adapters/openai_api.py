"""A small client of OpenAI-compatible endpoints: what `ask` needs of one, and `bench` before its load.

The standard library only. The load generator does not use it: it has no clocks. Every failure is an EndpointError whose
hint says what to type next; the key that was sent is in none of them.
"""

from __future__ import annotations

import contextlib
import difflib
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from infercli.adapters.openai_errors import MAX_ERROR_BYTES, Refused, refused, server_words, unreachable
from infercli.adapters.proxy import failed_at, way_to
from infercli.core.bench.refused_fields import refused_field, without
from infercli.core.endpoint import Endpoint
from infercli.core.load.conversation import mended
from infercli.core.record import Json
from infercli.errors import EndpointError, any_of

_INTERIM = frozenset({102, 103})
"""Heads that a server may send before the answer's own (RFC 9110, 15.2); http.client goes past 100 alone."""


class Answer(NamedTuple):
    """A whole answer."""

    text: str
    finish_reason: str | None
    engine: str | None
    """Which engine application answered; None when this is not an infercli front."""
    prompt_tokens: int | None
    """By the server's `usage`; None when it sent none."""
    completion_tokens: int | None
    reasoned: bool
    """Reasoning came beside the text, which does not hold it."""


class Streamed(Iterator[str]):
    """The pieces of an answer as they come; when they are exhausted, `answer` is the whole.

    Raises EndpointError where the stream breaks off: what was yielded until then is all there is.
    """

    def __init__(self, pieces: Iterator[str], state: _StreamState) -> None:
        self._pieces = pieces
        self._state = state

    def __next__(self) -> str:
        return next(self._pieces)

    @property
    def answer(self) -> Answer:
        """The whole. Raises EndpointError when it is not complete."""
        state = self._state
        if not state.complete:
            raise EndpointError("the answer is not complete")
        return Answer(
            "".join(state.parts),
            state.finish_reason,
            state.engine,
            state.prompt_tokens,
            state.completion_tokens,
            state.reasoned,
        )


@dataclass
class _StreamState:
    engine: str | None
    parts: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoned: bool = False
    half: str = ""
    complete: bool = False


class OpenAiApi:
    """One endpoint. `timeout_s` is for connecting and for every wait between bytes, not for a whole answer."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        ssl_context: ssl.SSLContext | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.endpoint = endpoint
        self._headers = {"Accept": "application/json", **dict(headers)}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout_s = timeout_s
        self._ssl_context = ssl_context

    def models(self) -> list[str]:
        """The names that `model` may be."""
        try:
            value = self._json("GET", "/v1/models", None)
        except Refused as error:
            if error.status == 404:
                # Some serve and list nothing (huggingface/text-generation-inference issue 2369, until August 2024).
                error.hint = f"{error.hint} If it is and lists no models, name one with --model"
            raise
        try:
            # Ollama, without a model, lists null.
            return [mended(str(entry["id"])) for entry in value["data"] or ()]
        except (KeyError, TypeError):
            raise self._not_one("its list of models is not one") from None

    def first_model(self) -> str:
        """What is asked where nobody named a model. Raises EndpointError where none is listed."""
        listed = self.models()
        if not listed:
            raise EndpointError(f"{self.endpoint.url} lists no model", "name one with --model")
        return listed[0]

    def stream_chat(self, messages: Sequence[Mapping[str, Json]], *, model: str, **options: Json) -> Streamed:
        """Returns when the answer's head is there; its pieces come as they are taken.

        `options` go into the request as they are (max_tokens, temperature, seed, ...).
        """
        body: dict[str, Json] = {"model": model, "messages": list(messages), **options, "stream": True}
        body["stream_options"] = {"include_usage": True}
        connection, response = self._ask_without("/v1/chat/completions", body)
        headers = _headers(response)
        if "event-stream" not in headers.get("content-type", ""):
            connection.close()
            raise self._not_one(f"it answered a streaming request with {headers.get('content-type') or 'no type'}")
        state = _StreamState(headers.get("x-infercli-engine"))
        return Streamed(self._pieces(connection, response, state), state)

    def _ask_without(
        self, path: str, body: dict[str, Json]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Once more without what is refused; but a temperature is what somebody asked for."""
        try:
            return self._ask("POST", path, body)
        except Refused as error:
            field = refused_field(error.status, error.message)
            if field is None or field == "temperature" or field not in body:
                raise
        return self._ask_without(path, without(body, field))

    def tokenize(self, text: str, *, model: str) -> list[int]:
        """The engine's own token ids of a text (vLLM's `/tokenize`), without those that the tokenizer adds to it."""
        value = self.post_json("/tokenize", {"model": model, "prompt": text, "add_special_tokens": False})
        tokens = value.get("tokens") if isinstance(value, dict) else None
        if not isinstance(tokens, list):
            raise self._not_one("its answer to /tokenize has no tokens")
        return [int(token) for token in tokens]

    def post_json(self, path: str, body: dict[str, Json]) -> Json:
        """Any path of the endpoint."""
        return self._json("POST", path, body)

    def _pieces(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, state: _StreamState
    ) -> Iterator[str]:
        try:
            for data in self._events(response):
                if data == b"[DONE]":
                    state.complete = True
                    return
                piece = self._piece(data, state)
                if piece:
                    state.parts.append(piece)
                    yield piece
            # Without [DONE] only a finish_reason tells an end from a server that died.
            state.complete = state.finish_reason is not None
            if not state.complete:
                raise EndpointError(f"the answer of {self.endpoint.url} broke off", "what was shown is all that came")
        finally:
            connection.close()

    def _events(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        """The data of server-sent events. Raises EndpointError for one that is named an error."""
        lines: list[bytes] = []
        name = b""
        while True:
            try:
                line = response.readline()
            except (OSError, http.client.HTTPException) as error:
                raise unreachable(error, self.endpoint, self._timeout_s) from error
            text = line.rstrip(b"\r\n")
            if text.startswith(b"data:"):
                lines.append(text[5:].strip())
            if text.startswith(b"event:"):
                name = text[6:].strip()
            if not text and lines:
                data = b"\n".join(lines)
                if name == b"error":
                    raise self._broke_off(data)
                if data:  # empty ones keep a connection alive
                    yield data
                lines = []
            if not text:
                name = b""
            if not line:
                return

    def _piece(self, data: bytes, state: _StreamState) -> str:
        try:
            value = json.loads(data)
            if value.get("error") is not None:
                raise self._broke_off(value)
            usage = value.get("usage")
            if usage:
                state.prompt_tokens = usage.get("prompt_tokens")
                state.completion_tokens = usage.get("completion_tokens")
            if not value.get("choices"):
                return ""
            choice = value["choices"][0]
            state.finish_reason = choice.get("finish_reason") or state.finish_reason
            delta = choice.get("delta") or {}
            state.reasoned = state.reasoned or bool(delta.get("reasoning") or delta.get("reasoning_content"))
            text = delta.get("content")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._not_one(f"its stream holds {data[:80]!r}") from None
        # Half of a character waits for the other half.
        text = state.half + (text if isinstance(text, str) else "")
        state.half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return mended(text.removesuffix(state.half))

    def _broke_off(self, said: Json) -> EndpointError:
        """What the server says in the midst of a stream that went wrong."""
        words = f"{self.endpoint.url} failed while answering: {server_words(said, '')}"
        return EndpointError(words, "`infercli logs` shows what the engine says of it")

    def _json(self, method: str, path: str, body: dict[str, Json] | None) -> Json:
        connection, response = self._ask(method, path, body)
        try:
            return json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(error, self.endpoint, self._timeout_s) from error
        except ValueError:
            raise self._not_one(f"its answer to {path} is not JSON") from None
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, body: dict[str, Json] | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send, and return once a 200 has come. The caller closes the connection."""
        for name, value in self._headers.items():
            # Checked here because http.client's own message would show the value, which may be the key.
            if not (name + value).isascii() or any(c in "\r\n\0" for c in name + value):
                raise EndpointError(
                    f"the value of header `{name}` has characters that a header cannot carry",
                    "look for a line break or a stray character where the key comes from",
                )
        way = way_to(self.endpoint, timeout_s=self._timeout_s, ssl_context=self._ssl_context)
        connection = way.connection
        try:
            data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
            headers = {**self._headers, **way.headers}
            if data is not None:
                headers["Content-Type"] = "application/json"
            # A server that refuses a large request answers and closes before all was sent: what it said is still there.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, way.base + self.endpoint.prefix + path, body=data, headers=headers)
            response = connection.getresponse()
            while response.status in _INTERIM:
                # A second `begin` reads the next head.
                response.headers = response.msg = None  # type: ignore[assignment]
                response.begin()
            if response.status != 200:
                raise self._refused(response, path, (body or {}).get("model"))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            at_proxy = None if way.proxy is None else failed_at(way.proxy, error)
            raise at_proxy or unreachable(error, self.endpoint, self._timeout_s) from error
        except BaseException:
            connection.close()
            raise
        return connection, response

    def _refused(self, response: http.client.HTTPResponse, path: str, model: Json) -> Refused:
        status = response.status
        try:
            body = response.read(MAX_ERROR_BYTES)
        except (OSError, http.client.HTTPException):
            body = b""
        if status == 404 and isinstance(model, str):
            message, hint = self._model_not_found(path, model, server_words(body, "Not Found"))
            return Refused(message, hint, status=status)
        has_key = "Authorization" in self._headers
        return refused(self.endpoint, path, status, body, _headers(response), has_key=has_key)

    def _model_not_found(self, path: str, model: str, said: str) -> tuple[str, str]:
        try:
            known = self.models()
        except EndpointError:
            return f"{self.endpoint.url} answered 404 to {path}: {said}", "is it an OpenAI-compatible base URL?"
        if model in known:
            return f"{self.endpoint.url} serves {model} but has no {path}", "this engine does not offer it"
        near = difflib.get_close_matches(model, known, n=3, cutoff=0.4) or known
        hint = f"did you mean {any_of(near)}?" if near else "it serves no model now; `infercli status`"
        return f"{self.endpoint.url} does not serve a model `{model}`", hint

    def _not_one(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self.endpoint.url} does not answer as an OpenAI-compatible endpoint: {what}", "check the base URL"
        )


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
