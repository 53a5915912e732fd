"""A small client of OpenAI-compatible endpoints: what `ask`, a deploy's verification and the tests need of one.

The standard library only. The load generator does not use it: it has no clocks. Every failure is an EndpointError whose
hint says what to type next; the key that was sent is in none of them.
"""

from __future__ import annotations

import difflib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from infercli.core.endpoint import Endpoint
from infercli.core.record import Json
from infercli.errors import EndpointError

Message = Mapping[str, Json]

_MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body that is read: enough for any engine's message, and no proxy's page fills the memory."""


class Unreachable(EndpointError):
    """No answer came: nobody listens, the name is unknown, TLS failed, or time ran out. Trying again may help."""


class Refused(EndpointError):
    """It answered with a status other than 200."""

    def __init__(self, message: str, hint: str | None, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.retry_after_s = retry_after_s
        """What the server asks for; None when it does not say."""


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    """By the server's `usage`; None when it sent none."""
    completion_tokens: int | None
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""

    @property
    def engine(self) -> str | None:
        """Which engine application answered; None when this is not an infercli front."""
        return self.headers.get("x-infercli-engine")


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
            "".join(state.parts), state.finish_reason, state.prompt_tokens, state.completion_tokens, state.headers
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the answer, known from the start; names in lower case."""
        return self._state.headers


@dataclass
class _StreamState:
    headers: Mapping[str, str]
    parts: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    complete: bool = False


class OpenAiApi:
    """One endpoint. `timeout_s` is for connecting and for every wait between bytes, not for a whole answer."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._headers = {"Accept": "application/json", **(headers or {})}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout_s = timeout_s
        self._ssl_context = ssl_context

    def models(self) -> list[str]:
        """The names that `model` may be."""
        value = self.get_json("/v1/models")
        try:
            return [str(entry["id"]) for entry in value["data"]]
        except (KeyError, TypeError):
            raise self._not_one("its list of models is not one") from None

    def chat(self, messages: Sequence[Message], *, model: str, **options: Json) -> Answer:
        """`options` go into the request as they are (max_tokens, temperature, seed, ...)."""
        return self._whole("/v1/chat/completions", {"model": model, "messages": list(messages), **options})

    def stream_chat(self, messages: Sequence[Message], *, model: str, **options: Json) -> Streamed:
        """As `chat`, piece by piece. Returns when the answer's head is there; its pieces come as they are taken."""
        return self._streamed("/v1/chat/completions", {"model": model, "messages": list(messages), **options})

    def completions(self, prompt: str, *, model: str, **options: Json) -> Answer:
        """Plain text continued."""
        return self._whole("/v1/completions", {"model": model, "prompt": prompt, **options})

    def stream_completions(self, prompt: str, *, model: str, **options: Json) -> Streamed:
        """As `completions`, piece by piece."""
        return self._streamed("/v1/completions", {"model": model, "prompt": prompt, **options})

    def tokenize(self, text: str | Sequence[Message], *, model: str) -> list[int]:
        """The engine's own token ids of a text, or of messages through its chat template (vLLM's `/tokenize`)."""
        subject = {"prompt": text} if isinstance(text, str) else {"messages": list(text)}
        value = self.post_json("/tokenize", {"model": model, **subject})
        tokens = value.get("tokens") if isinstance(value, dict) else None
        if not isinstance(tokens, list):
            raise self._not_one("its answer to /tokenize has no tokens")
        return [int(token) for token in tokens]

    def get_json(self, path: str) -> Json:
        """Any path of the endpoint, as JSON."""
        return self._json("GET", path, None)[0]

    def get_text(self, path: str) -> str:
        """Any path of the endpoint, as text (`/metrics`)."""
        connection, response = self._ask("GET", path, None, None)
        try:
            return self._read(response).decode("utf-8", "replace")
        finally:
            connection.close()

    def post_json(self, path: str, body: Json) -> Json:
        """Any path of the endpoint."""
        return self._json("POST", path, body)[0]

    def _whole(self, path: str, body: dict[str, Json]) -> Answer:
        value, headers = self._json("POST", path, body)
        try:
            choice = value["choices"][0]
            text = choice["text"] if "text" in choice else choice["message"].get("content")
            usage = value.get("usage") or {}
            return Answer(
                text=text or "",
                finish_reason=choice.get("finish_reason"),
                prompt_tokens=usage.get("prompt_tokens"),
                completion_tokens=usage.get("completion_tokens"),
                headers=headers,
            )
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._not_one("its answer has no choices") from None

    def _streamed(self, path: str, body: dict[str, Json]) -> Streamed:
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        connection, response = self._ask("POST", path, body, body.get("model"))
        headers = _headers(response)
        if "event-stream" not in headers.get("content-type", ""):
            connection.close()
            raise self._not_one(f"it answered a streaming request with {headers.get('content-type') or 'no type'}")
        state = _StreamState(headers)
        return Streamed(self._pieces(connection, response, state), state)

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
        """The data of server-sent events."""
        lines: list[bytes] = []
        while True:
            try:
                line = response.readline()
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error
            text = line.rstrip(b"\r\n")
            if text.startswith(b"data:"):
                lines.append(text[5:].strip())
            if not text and lines:
                yield b"\n".join(lines)
                lines = []
            if not line:
                return

    def _piece(self, data: bytes, state: _StreamState) -> str:
        try:
            value = json.loads(data)
            if value.get("error") is not None:
                raise EndpointError(f"{self.endpoint.url} failed while answering: {_message(value, '')}")
            usage = value.get("usage")
            if usage:
                state.prompt_tokens = usage.get("prompt_tokens")
                state.completion_tokens = usage.get("completion_tokens")
            if not value.get("choices"):
                return ""
            choice = value["choices"][0]
            state.finish_reason = choice.get("finish_reason") or state.finish_reason
            text = choice["text"] if "text" in choice else (choice.get("delta") or {}).get("content")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._not_one(f"its stream holds {data[:80]!r}") from None
        return text or ""

    def _json(self, method: str, path: str, body: Json) -> tuple[Json, Mapping[str, str]]:
        model = body.get("model") if isinstance(body, dict) else None
        connection, response = self._ask(method, path, body, model)
        try:
            data = self._read(response)
        finally:
            connection.close()
        try:
            return json.loads(data), _headers(response)
        except ValueError:
            raise self._not_one(f"its answer to {path} is not JSON") from None

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _ask(
        self, method: str, path: str, body: Json, model: Json
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send, and return once a 200 has come. The caller closes the connection."""
        connection = self._connection()
        try:
            data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
            headers = dict(self._headers)
            if data is not None:
                headers["Content-Type"] = "application/json"
            try:
                connection.request(method, self.endpoint.prefix + path, body=data, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                # A server that refuses a large request answers and closes before all was sent: read what it said.
                pass
            except (ValueError, UnicodeError):
                # http.client's own message would show the header, which may be the key.
                raise EndpointError(
                    "the API key or a header has characters that a header cannot carry",
                    "look for a line break or a stray character in the key's file or variable",
                ) from None
            response = connection.getresponse()
            if response.status != 200:
                raise self._refused(response, path, model)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        except BaseException:
            connection.close()
            raise
        return connection, response

    def _connection(self) -> http.client.HTTPConnection:
        where = self.endpoint
        if where.scheme == "http":
            return http.client.HTTPConnection(where.host, where.port, timeout=self._timeout_s)
        context = self._ssl_context or ssl.create_default_context()
        return http.client.HTTPSConnection(where.host, where.port, timeout=self._timeout_s, context=context)

    def _unreachable(self, error: Exception) -> EndpointError:
        url = self.endpoint.url
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(
                f"nothing listens at {url}", "`infercli status` shows what is deployed and where; or check the port"
            )
        if isinstance(error, socket.gaierror):
            return Unreachable(f"the host name {self.endpoint.host} cannot be resolved", "check the URL")
        if isinstance(error, TimeoutError):
            return Unreachable(
                f"{url} did not answer within {self._timeout_s:g} s", "`infercli logs` shows whether the engine works"
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unreachable(
                f"the certificate of {url} is not trusted: {error.verify_message}",
                "SSL_CERT_FILE=ca.pem names an authority of your own",
            )
        if isinstance(error, ssl.SSLError):
            return Unreachable(f"TLS with {url} failed: {error.reason or error}", "is it plain http://?")
        if isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead | ConnectionError):
            return Unreachable(f"{url} closed the connection before its answer was whole", "try again")
        if isinstance(error, http.client.HTTPException):
            return EndpointError(
                f"{url} does not speak HTTP: {type(error).__name__}", "is it https://, or another port?"
            )
        return Unreachable(f"{url} cannot be reached: {getattr(error, 'strerror', None) or type(error).__name__}")

    def _refused(self, response: http.client.HTTPResponse, path: str, model: Json) -> Refused:
        status, headers = response.status, _headers(response)
        try:
            said = _message(response.read(_MAX_ERROR_BYTES), f"HTTP {status}")
        except (OSError, http.client.HTTPException):
            said = f"HTTP {status}"
        url, retry_after_s = self.endpoint.url, _retry_after_s(headers)
        wait = f"try again in {retry_after_s:g} s" if retry_after_s is not None else "try again shortly"
        hint: str | None
        if status == 401:
            message = f"{url} wants an API key" if not self._has_key() else f"{url} does not accept this API key"
            hint = "give the key by INFERCLI_API_KEY or --api-key-file FILE"
        elif status == 403:
            message, hint = f"{url} forbids it: {said}", "this key or user may not do this; ask who runs the endpoint"
        elif status == 404 and isinstance(model, str):
            message, hint = self._model_not_found(path, model, said)
        elif status == 404:
            message, hint = f"{url} has no {path}", "is it the base URL of an OpenAI-compatible endpoint?"
        elif status == 413:
            message, hint = f"the request is too large for {url}: {said}", "shorten it, or raise `front.max_body_mib`"
        elif status == 429:
            message, hint = f"{url} is busy: {said}", f"{wait}, or raise `front.max_in_flight`"
        elif status == 503:
            message, hint = f"{url} is not ready: {said}", f"{wait}; `infercli status` says what it waits for"
        elif 300 <= status < 400:
            message, hint = (
                f"{url} redirects",
                "give the URL it redirects to: redirects are not followed, a key is sent",
            )
        elif status >= 500:
            message, hint = f"{url} failed with HTTP {status}: {said}", "`infercli logs` shows the engine's side"
        else:
            message, hint = f"{url} refused the request with HTTP {status}: {said}", None
        return Refused(message, hint, status=status, retry_after_s=retry_after_s)

    def _has_key(self) -> bool:
        return "authorization" in {name.lower() for name in self._headers}

    def _model_not_found(self, path: str, model: str, said: str) -> tuple[str, str]:
        try:
            known = self.models()
        except EndpointError:
            return f"{self.endpoint.url} answered 404 to {path}: {said}", "is it an OpenAI-compatible base URL?"
        if model in known:
            return f"{self.endpoint.url} serves {model} but has no {path}", "this engine does not offer it"
        near = difflib.get_close_matches(model, known, n=3, cutoff=0.4) or known
        offer = " or ".join(f"`{name}`" for name in near)
        hint = f"did you mean {offer}?" if near else "it serves no model now; `infercli status`"
        return f"{self.endpoint.url} does not serve a model `{model}`", hint

    def _not_one(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self.endpoint.url} does not answer as an OpenAI-compatible endpoint: {what}", "check the base URL"
        )


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _message(body: Json, otherwise: str) -> str:
    """The server's own words, in one line of at most 300 characters. `body`: bytes, or JSON that was parsed."""
    value = body
    if isinstance(body, bytes):
        try:
            value = json.loads(body)
        except ValueError:
            value = body.decode("utf-8", "replace")
    if isinstance(value, dict):
        error = value.get("error", value.get("message", value.get("detail")))
        value = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(value or otherwise).split())[:300]


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; None when absent or given as a date, which needs a clock that agrees with the server's."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdigit() else None
