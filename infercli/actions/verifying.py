"""Whether an engine answers: one real request through its pin, before requests of clients reach it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from infercli.actions.ports import Platform
from infercli.actions.waiting import POLL_S, Deadline, Since, tolerant
from infercli.errors import DeployFailed, EndpointError

CHAT = "/v1/chat/completions"
WRONG_S = 10.0
"""An engine whose own answer is an error for this long stays so: a fresh one answered 0.3 s after it ran (measured)."""
_SHORT_S = 1.0
"""Less than that is no time for an answer. Our choice."""


def verify(platform: Platform, app: str, model_id: str, deadline: Deadline) -> str:
    """One real completion from `app` through its pin; returns the path that it answers.

    Raises DeployFailed with the engine's words. Of an engine that generates nothing an embedding or a score. The first
    answer of a fresh engine may be slow (the chat template is compiled), and the front may not have found it yet: both
    are waited for.
    """
    asks = _asks(model_id)
    path, body = next(asks)
    last = ""
    wrong = Since(deadline.clock)
    look = tolerant(platform, deadline, f"{app} to answer its verification")
    while True:
        given_s = min(60.0, deadline.left_s)
        try:
            answer = platform.front("POST", path, body=body, engine=app, timeout_s=given_s)
        except EndpointError as error:
            # What a last moment is too short for is not why the others failed.
            last = last if last and given_s < _SHORT_S else error.message
            wrong(so=False)
            look()
        else:
            if answer.status == 200:
                _check_answer(answer.body, app, path)
                return path
            last = f"HTTP {answer.status}: {answer.body.decode(errors='replace')[:500]}"
            # A base model has no chat template; one that pools has neither, and the front says that it is not served.
            not_served = answer.status == 404 and b'"not_served"' in answer.body
            if not_served or (answer.status == 400 and path == CHAT):
                following = next(asks, None)
                if following is None:
                    raise DeployFailed(f"{app} serves nothing that the front lets through: {last}")
                path, body = following
                continue
            # 500 is the engine's own; 502 to 504 are the front's, of an engine that it has not found yet.
            stays = wrong(answer.status == 500) >= WRONG_S
            if stays or (answer.status < 500 and answer.status not in (404, 429)):
                raise DeployFailed(f"{app} answered its verification with {last}")
            if answer.status == 404 and b"does not exist" in answer.body:
                raise DeployFailed(f"{app} does not serve the model `{model_id}`: {last}")
        deadline.check(f"{app} to answer its verification: {last}")
        deadline.clock.sleep(POLL_S)


def _asks(model_id: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The smallest request of each kind that the front lets through: one that the engine serves is among them."""
    few = {"model": model_id, "max_tokens": 8, "temperature": 0}
    yield CHAT, {**few, "messages": [{"role": "user", "content": "Hello"}]}
    yield "/v1/completions", {**few, "prompt": "Hello"}
    yield "/v1/embeddings", {"model": model_id, "input": "Hello"}
    yield "/v1/score", {"model": model_id, "text_1": "Hello", "text_2": "Hello"}


def _check_answer(body: bytes, app: str, path: str) -> None:
    try:
        answer = json.loads(body)
        if path in ("/v1/embeddings", "/v1/score"):
            found = answer["data"][0]
            if not found.get("embedding") and found.get("score") is None:
                raise DeployFailed(f"{app} answered its verification with nothing")
            return
        choice = answer["choices"][0]
        _ = choice["message"]["content"] if path == CHAT else choice["text"]
        tokens = answer["usage"]["completion_tokens"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise DeployFailed(f"{app} answered its verification with something that is no answer of its kind") from error
    if not tokens:
        raise DeployFailed(f"{app} answered its verification with no tokens")
