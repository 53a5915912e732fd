"""What infercli's front answers, seen from outside: who may ask what, which engine answers, the state for operators.

The one thing to know: only the rules are real here. An engine's "answer" is a sentence that names the engine, in the
shape that the OpenAI API gives it, so that a test sees which one answered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.standin.serve import Replica, Serve

COMPLETIONS = {"/v1/chat/completions": "chat.completion", "/v1/completions": "text_completion"}


@dataclass(frozen=True)
class Request:
    """A request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer: text as it is, bytes as a stream of events, everything else as JSON."""

    status: int
    content: Any
    more: Mapping[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """All but the length."""
        match self.content:
            case str():
                kind = "text/plain"
            case bytes():
                kind = "text/event-stream"
            case _:
                kind = "application/json"
        return {"Content-Type": kind, **self.more}

    def data(self) -> bytes:
        """The body."""
        if isinstance(self.content, bytes):
            return self.content
        return (self.content if isinstance(self.content, str) else json.dumps(self.content)).encode()


def answer(serve: Serve, replica: Replica, keys: Mapping[str, list[str]], request: Request) -> Answer:
    """One request to the front, answered by one of its replicas with the keys that its pod sees."""
    path = request.path.partition("?")[0]
    token, pin = request.headers.get("x-infercli-operator-token"), request.headers.get("x-infercli-engine")
    for_operators = pin is not None or path == "/front"
    if path == "/health" and request.method in ("GET", "HEAD"):
        return Answer(200, {"status": "ok"}) if serve.choose(replica, None) else _error(503, "no engine is serving")
    if path not in {"/front", "/v1/models", *COMPLETIONS}:
        return _error(404, f"there is no {request.method} {path} here")
    if token is not None:
        if not keys.get("operator-token"):
            return _error(503, "no operator token is installed, so none is accepted")
        if token not in keys["operator-token"]:
            return _error(403, "the operator token is wrong")
    elif for_operators:
        return _error(403, "this needs an operator token")
    elif not keys.get("api-keys"):
        return _error(503, "no API keys are installed, so every request is refused")
    elif request.headers.get("authorization", "").removeprefix("Bearer ") not in keys["api-keys"]:
        return _error(401, "a valid API key is required")
    if path == "/front":
        return Answer(200, {
            "pid": replica.pid, "generation": replica.generation, "routes": replica.routes, "refused": replica.refused,
            "in_flight": 0, "requests": replica.requests, "retries": 0,
            "shadows": {"sent": 0, "failed": 0, "dropped": 0},
        })  # fmt: skip
    app = serve.choose(replica, pin)
    if app is None:
        return _error(503, f"{pin} is not serving" if pin else "no engine is serving")
    given = _engine(serve, app, path, request)
    outcomes = replica.requests.setdefault(app, {})
    outcome = f"{given.status // 100}xx"
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
    headers = {"x-infercli-engine": app, "x-infercli-generation": str(replica.generation)}
    return Answer(given.status, given.content, headers)


def _error(status: int, message: str) -> Answer:
    kind = "invalid_request_error" if status < 500 else "service_unavailable"
    more = {"Retry-After": "5"} if status == 503 else {}
    return Answer(status, {"error": {"message": message, "type": kind, "param": None, "code": status}}, more)


def _engine(serve: Serve, app: str, path: str, request: Request) -> Answer:
    """What the engine says."""
    model = serve.model_id(app)
    if serve.errs(app):
        return _error(500, "the engine fails as the test wants it")
    if path == "/v1/models":
        return Answer(200, {"object": "list", "data": [{"id": model, "object": "model", "owned_by": "vllm"}]})
    try:
        asked = json.loads(request.body)
    except ValueError as problem:
        return _error(400, f"JSON decode error: {problem}")
    if asked.get("model") != model:
        return _error(404, f"The model `{asked.get('model')}` does not exist.")
    text = f"This is {app}."
    prompt = json.dumps(asked.get("messages") or asked.get("prompt"))
    usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": 3}
    usage["total_tokens"] = sum(usage.values())
    chat = path == "/v1/chat/completions"
    common = {"id": f"standin-{time.monotonic_ns()}", "created": int(time.time()), "model": model}
    if not asked.get("stream"):
        said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice = {"index": 0, **said, "finish_reason": "stop"}
        return Answer(200, {**common, "object": COMPLETIONS[path], "choices": [choice], "usage": usage})
    events: list[dict[str, Any]] = []
    words = ["This ", "is ", f"{app}."]
    for place, word in enumerate(words):
        said = {"delta": {"content": word}} if chat else {"text": word}
        finish = "stop" if place == len(words) - 1 else None
        events.append({**common, "choices": [{"index": 0, **said, "finish_reason": finish}]})
    if (asked.get("stream_options") or {}).get("include_usage"):
        events.append({**common, "choices": [], "usage": usage})
    lines = [json.dumps(event) for event in events] + ["[DONE]"]
    return Answer(200, "".join(f"data: {line}\n\n" for line in lines).encode())
