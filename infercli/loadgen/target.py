"""Where requests go and what they say: first turns are serialised once, before the measuring begins."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from infercli.core.bench.refused_fields import Refusable, without
from infercli.core.endpoint import Endpoint
from infercli.core.load.conversation import Conversation, Prompt
from infercli.core.record import Json
from infercli.core.traces import Api, Load
from infercli.errors import InputError

_PATHS: dict[Api, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}


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
    without: frozenset[Refusable] = frozenset()
    """What requests do not have, because the endpoint refuses it."""


class Requests:
    """The conversations as HTTP/1.1 requests."""

    def __init__(
        self,
        target: Target,
        load: Load,
        conversations: Sequence[Conversation],
        *,
        proxied: bool = False,
        more_headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`proxied`: the request line names the whole URL, as a proxy wants it.

        Raises InputError for headers or prompts that cannot be sent.
        """
        self.target, self.load, self.conversations = target, load, conversations
        endpoint = target.endpoint
        accept = "application/json" if target.api == "embeddings" else "text/event-stream"
        headers = [("Host", endpoint.netloc), ("User-Agent", "infercli-bench"), ("Accept", accept)]
        if target.api_key is not None:
            headers.append(("Authorization", f"Bearer {target.api_key}"))
        headers += [*target.headers, *more_headers]
        for name, value in headers:
            if any(c in "\r\n\0" for c in name + value) or not (name + value).isascii():
                # Never the value: it may be a key, read from a file with a stray line break.
                raise InputError(
                    f"the value of header `{name}` has characters that a header cannot carry",
                    "look for a line break where it is kept",
                )
        texts = (t.prompt for c in conversations for t in c.turns)
        if target.api != "chat" and not all(isinstance(text, str) for text in texts):
            raise InputError(f"the {target.api} API takes text, and a prompt is a list of messages", "use the chat API")
        where = f"http://{endpoint.netloc}{endpoint.prefix}" if proxied else endpoint.prefix
        self.head = f"POST {where}{_PATHS[target.api]} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers)
        self.first = [self._request(c, 0, []) for c in conversations]
        """One per conversation: its first turn."""

    def turn(self, conversation: int, turn: int, answers: Sequence[str]) -> bytes:
        """A later turn, with the answers to the `turn` turns before it."""
        return self._request(self.conversations[conversation], turn, answers)

    def _request(self, conversation: Conversation, turn: int, answers: Sequence[str]) -> bytes:
        body = json.dumps(self._body(conversation, turn, answers), ensure_ascii=False, separators=(",", ":")).encode()
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return (self.head + length).encode("ascii") + body

    def _body(self, conversation: Conversation, turn: int, answers: Sequence[str]) -> dict[str, Json]:
        api, load, turns = self.target.api, self.load, conversation.turns[: turn + 1]
        body: dict[str, Json] = {"model": conversation.model or self.target.model}
        if api == "chat":
            messages = list(_messages(turns[0].prompt))
            for answer, said in zip(answers, turns[1:], strict=True):
                messages += [{"role": "assistant", "content": answer}, *_messages(said.prompt)]
            body["messages"] = messages
        else:
            texts = [str(t.prompt) for t in turns]
            parts = [texts[0], *(part for pair in zip(answers, texts[1:], strict=True) for part in pair)]
            body["input" if api == "embeddings" else "prompt"] = "".join(parts)
        if api == "embeddings":
            return body | load.extra_body
        most = turns[-1].max_tokens or load.max_tokens
        body |= {"max_tokens": most, "temperature": load.temperature}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        if load.min_tokens is not None:
            body["min_tokens"] = min(load.min_tokens, most)
        if load.ignore_eos:
            body["ignore_eos"] = True
        body |= load.extra_body
        for name in sorted(self.target.without):
            body = without(body, name)
        return body


def _messages(prompt: Prompt) -> Sequence[dict[str, Json]]:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
