"""Fields that requests have here and that some servers refuse: the request is sent again without them.

A server that refuses one answers 400, or 422 where FastAPI checks the body, and names it.
"""

from __future__ import annotations

from typing import Literal

from infercli.core.record import Json

Refusable = Literal["stream_options", "max_tokens", "temperature"]

WITHOUT: dict[Refusable, str] = {
    "stream_options": "the endpoint refuses `stream_options`: it is asked without, and tokens are the frames that are "
    "counted, which no `usage` confirms",
    "max_tokens": "the endpoint refuses `max_tokens`: it is asked for `max_completion_tokens`",
    "temperature": "the endpoint refuses a temperature of 0: it is asked without, and samples at its own",
}
"""What is said of each."""


def refused_field(status: int | None, message: str | None) -> Refusable | None:
    """Which field a server refused; None: it refused something else, or nothing.

    `stream_options` came to OpenAI's API in May 2024. Its reasoning models, and what passes requests on to them, take
    `max_completion_tokens` and say so, and no temperature but their own (platform.openai.com/docs/guides/reasoning).
    """
    if status not in (400, 422) or message is None:
        return None
    said = message.lower()
    if "stream_options" in said:
        return "stream_options"
    if "support" not in said:
        return None  # vLLM names `max_completion_tokens` too where it is more than there is room for
    if "max_completion_tokens" in said:
        return "max_tokens"
    return "temperature" if "temperature" in said else None


def without(body: dict[str, Json], field: Refusable) -> dict[str, Json]:
    """A request's body without a field that was refused, or with what stands for it."""
    rest = {name: value for name, value in body.items() if name != field}
    return {**rest, "max_completion_tokens": body[field]} if field == "max_tokens" and field in body else rest
