"""Where requests go and what they say: serialised once, before the measuring begins."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from infercli.core.bench import Prompt
from infercli.core.endpoint import Endpoint
from infercli.core.record import Json
from infercli.core.traces import Api, ClosedLoad
from infercli.errors import InputError


@dataclass(frozen=True)
class Target:
    """An OpenAI-compatible endpoint. Its secrets are in no repr."""

    endpoint: Endpoint
    model: str
    api: Api = "chat"
    api_key: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """More headers of every request, for example the pin to one engine."""
    ssl_context: ssl.SSLContext | None = None
    """For https; None verifies against the system's authorities."""


def serialise(target: Target, load: ClosedLoad, prompts: Sequence[Prompt]) -> list[bytes]:
    """One HTTP/1.1 request per prompt, as bytes. Raises InputError for headers or prompts that cannot be sent."""
    path = "/v1/chat/completions" if target.api == "chat" else "/v1/completions"
    headers = [("Host", target.endpoint.netloc), ("User-Agent", "infercli-bench"), ("Accept", "text/event-stream")]
    if target.api_key is not None:
        headers.append(("Authorization", f"Bearer {target.api_key}"))
    headers += target.headers
    for name, value in headers:
        if any(c in "\r\n\0" for c in name + value) or not (name + value).isascii():
            # Never the value: it may be a key, read from a file with a stray line break.
            raise InputError(f"the value of header `{name}` has characters that a header cannot carry")
    head = f"POST {target.endpoint.prefix}{path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers)
    requests = []
    for prompt in prompts:
        body = json.dumps(_body(target, load, prompt), ensure_ascii=False, separators=(",", ":")).encode()
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append((head + length).encode("ascii") + body)
    return requests


def _body(target: Target, load: ClosedLoad, prompt: Prompt) -> dict[str, Json]:
    body: dict[str, Json] = {"model": target.model}
    if target.api == "chat":
        body["messages"] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    elif isinstance(prompt, str):
        body["prompt"] = prompt
    else:
        raise InputError("the completions API takes text, and a prompt is a list of messages", "use the chat API")
    body |= {"max_tokens": load.max_tokens, "temperature": load.temperature, "stream": True}
    body["stream_options"] = {"include_usage": True}
    if load.ignore_eos:
        body["ignore_eos"] = True
    return body
