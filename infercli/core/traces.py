"""What was measured, request by request, before any arithmetic. Metrics are derived from these and from nothing else.

An *arrival* is one read from the socket that completed at least one token frame. When a read carries several frames,
or a frame several tokens, only the arrival of the whole is known: the gaps inside are unknown, not zero.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from infercli.core.record import Record

ErrorKind = Literal["connect", "timeout", "http", "truncated", "stream_error", "protocol"]
"""`connect`: no connection. `timeout`: not finished in time. `http`: a status other than 200. `truncated`: the answer
ended early. `stream_error`: an error event inside the stream. `protocol`: not HTTP, or not an event stream."""

Api = Literal["chat", "completions"]


class ClosedLoad(Record):
    """A closed loop: `concurrency` users, each sending its next request when the last one was answered."""

    concurrency: int = Field(ge=1)
    requests: int | None = Field(default=None, ge=1)
    """How many to measure; or"""
    duration_s: float | None = Field(default=None, gt=0)
    """for how long requests are begun. Those in flight at its end are waited for and counted."""
    warmup_requests: int = Field(default=0, ge=0)
    """Sent and finished before measuring begins; kept in the traces, left out of the metrics."""
    max_tokens: int = Field(default=128, ge=1)
    ignore_eos: bool = False
    """Always `max_tokens` tokens. vLLM and SGLang know it, others answer 400."""
    temperature: float = Field(default=0.0, ge=0)
    timeout_s: float = Field(default=300.0, gt=0)
    """For one request, from its sending to its last byte."""
    connect_timeout_s: float = Field(default=10.0, gt=0)
    give_up_after: int = Field(default=20, ge=1)
    """Stop when this many requests failed and none was ever answered: the endpoint is not there."""

    @model_validator(mode="after")
    def _one_end(self) -> ClosedLoad:
        if (self.requests is None) == (self.duration_s is None):
            raise ValueError("give either requests or duration_s")
        return self


class Trace(Record):
    """One request. Times are seconds since the run began, on the monotonic clock, to a microsecond."""

    request: int
    prompt: int
    """Index into the prompts of the run."""
    warmup: bool = False
    intended_s: float
    """When it could have been sent: its user was free. Later than that, and the client was the cause."""
    sent_s: float | None = None
    """Just before the first byte was written; None when no connection was made."""
    first_byte_s: float | None = None
    """The first byte of the answer, which is its status line and no token."""
    ended_s: float
    arrivals_s: tuple[float, ...] = ()
    """One per arrival: the kernel's receive time of its last segment, or the reader's own time (see `Client.clock`)."""
    frames: tuple[int, ...] = ()
    """Token frames in each arrival. A frame that only names the role is none, nor are usage and `[DONE]`."""
    lags_s: tuple[float | None, ...] = ()
    """Per arrival: when the client looked minus when the kernel had it; None where the kernel gave no time."""
    prompt_tokens: int | None = None
    """By the server's `usage`; None when it sent none."""
    completion_tokens: int | None = None
    """By the server's `usage`; None when it sent none."""
    finish_reason: str | None = None
    engine: str | None = None
    """The `x-infercli-engine` header: which engine application answered."""
    status: int | None = None
    error: ErrorKind | None = None
    message: str | None = None
    """What the server or the system said, cut to a line."""
    cut: bool = False
    """In flight when the run was interrupted: neither answered nor failed."""

    @property
    def answered(self) -> bool:
        """Complete, with status 200 and a proper end."""
        return self.error is None and not self.cut

    @property
    def output_tokens(self) -> int:
        """By `usage`; where the server sent none, the token frames counted."""
        return sum(self.frames) if self.completion_tokens is None else self.completion_tokens

    @model_validator(mode="after")
    def _aligned(self) -> Trace:
        if not len(self.arrivals_s) == len(self.frames) == len(self.lags_s):
            raise ValueError("arrivals_s, frames and lags_s must be of one length")
        return self
