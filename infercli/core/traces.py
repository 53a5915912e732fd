"""What was asked for and what was measured, request by request, before any arithmetic.

Metrics are derived from traces and from nothing else. An *arrival* is one read from the socket that completed at least
one token frame. When a read carries several frames, or a frame several tokens, only the arrival of the whole is known:
the gaps inside are unknown, not zero.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from infercli.core.record import Json, Record

ErrorKind = Literal["connect", "timeout", "http", "truncated", "stream_error", "protocol"]
"""`connect`: no connection. `timeout`: not finished in time. `http`: a status other than 200. `truncated`: the answer
ended early. `stream_error`: an error event inside the stream. `protocol`: not HTTP, or not what was asked for."""

Api = Literal["chat", "completions", "embeddings"]
Arrivals = Literal["constant", "poisson", "gamma", "trace"]
"""How the requests of an open loop are spaced: evenly; independent of one another; gamma-distributed gaps, bunched
below a `burstiness` of 1 and evener above it; or as the conversations' own times say."""
Phase = Literal["warmup", "measured", "cooldown"]

_FARTHEST_S = 1e9
"""Of any time from the beginning: no run takes thirty years, and sums of such times stay finite."""
RETRY_FIRST_S, RETRY_MOST_S = 0.004, 0.25
"""After a failure a user of a closed loop waits before its next request: so long, twice as long with each further
failure of its worker that no answer came between, and at most so long. Without it a dead endpoint would be asked a
hundred thousand times a second. `Retry-After` is not followed."""


class Stop(Record):
    """Why a load ended before it was done."""

    kind: Literal["interrupted", "saturated", "gave up"]
    """Told to; the endpoint did not keep up; the endpoint answered nothing."""
    detail: str | None = None
    """In words."""

    def __str__(self) -> str:
        return self.kind if self.detail is None else f"{self.kind}: {self.detail}"


class Load(Record):
    """One level of load: who sends when, and what is asked of each answer.

    Closed loop (`arrivals` None): `concurrency` users, each sending its next request when the last one was answered.
    Open loop: requests begin when they are due, whatever became of those before; `concurrency` then caps those in
    flight (None: no cap), and one that has to wait for the cap still counts from when it was due.
    """

    concurrency: int | None = Field(default=None, ge=1)
    arrivals: Arrivals | None = None
    rate_per_s: float | None = Field(default=None, gt=0)
    """Requests per second of an open loop, on average over the load: its arrivals are as many as that says. Where
    conversations have several turns it is conversations that arrive."""
    ramp_to_per_s: float | None = Field(default=None, gt=0)
    """The rate changes evenly from `rate_per_s` to this over `duration_s`."""
    burstiness: float | None = Field(default=None, gt=0)
    """Shape of the gamma distribution of the gaps: 1 is Poisson; their coefficient of variation is its -1/2 power."""
    speed: float = Field(default=1.0, gt=0)
    """A trace is replayed so many times as fast as it was taken."""
    requests: int | None = Field(default=None, ge=1)
    """How many to begin; of conversations in an open loop, whose later turns follow; or"""
    duration_s: float | None = Field(default=None, gt=0)
    """for how long requests are begun. Those in flight at its end are waited for and counted."""
    warmup_requests: int = Field(default=0, ge=0)
    """Sent and finished, in a closed loop, before measuring begins. Not for a trace, which begins with its own
    beginning: there `warmup_s` leaves out what is not to be measured."""
    warmup_s: float = Field(default=0.0, ge=0)
    """Requests due in the first seconds of the load itself are not measured."""
    cooldown_s: float = Field(default=0.0, ge=0)
    """Nor are those due in the last seconds of `duration_s`,"""
    cooldown_requests: int = Field(default=0, ge=0)
    """or the last of `requests`: while they are sent the load goes on for those before. Not for a trace."""
    multi_turn: bool = False
    """Some of what is sent are conversations of several turns."""
    max_tokens: int = Field(default=128, ge=1)
    min_tokens: int | None = Field(default=None, ge=1)
    """No end before so many; an answer whose own limit is lower has just that many. vLLM and SGLang know it."""
    ignore_eos: bool = False
    """Always `max_tokens` tokens. vLLM and SGLang know it, others answer 400."""
    temperature: float | None = Field(default=0.0, ge=0)
    """None: the endpoint refuses that one, and none was sent."""
    extra_body: dict[str, Json] = {}
    """What each request's body says besides."""
    seed: int = 0
    """Of the arrivals."""
    timeout_s: float = Field(default=300.0, gt=0)
    """For one request, from its sending to its last byte."""
    connect_timeout_s: float = Field(default=10.0, gt=0)
    give_up_after: int = Field(default=20, ge=1)
    """Stop when this many requests failed and none was ever answered: the endpoint is not there."""
    stop_when_saturated: bool = False
    """End an open loop once the endpoint plainly cannot keep up (`core/bench/saturation.py`)."""
    confirms: bool = False
    """Sent by a search to tell how sure a rate is, rather than to find one."""

    @model_validator(mode="after")
    def _consistent(self) -> Load:
        wrong = []
        if self.requests is not None and self.duration_s is not None:
            wrong.append("requests and duration_s both say when to end")
        if self.requests is None and self.duration_s is None and self.arrivals != "trace":
            wrong.append("give either requests or duration_s")
        if self.arrivals is None and self.concurrency is None:
            wrong.append("a closed loop needs a concurrency")
        if (self.rate_per_s is None) == (self.arrivals in ("constant", "poisson", "gamma")):
            wrong.append("rate_per_s belongs to constant, poisson and gamma arrivals, and they need it")
        if (self.burstiness is None) == (self.arrivals == "gamma"):
            wrong.append("burstiness belongs to gamma arrivals, and they need it")
        if self.ramp_to_per_s is not None and (self.rate_per_s is None or self.duration_s is None):
            wrong.append("a ramp needs rate_per_s and duration_s")
        if self.arrivals == "trace" and self.warmup_requests:
            wrong.append("a trace takes warmup_s, and no warmup_requests")
        if self.min_tokens is not None and self.min_tokens > self.max_tokens:
            wrong.append(f"min_tokens ({self.min_tokens}) is over max_tokens ({self.max_tokens})")
        if self.cooldown_s and self.duration_s is None:
            wrong.append("cooldown_s needs duration_s")
        if self.cooldown_requests and (self.requests is None or self.arrivals == "trace"):
            wrong.append("cooldown_requests needs requests, and no trace")
        if self.requests is not None and self.cooldown_requests >= self.requests:
            wrong.append("cooldown_requests leaves nothing to measure of requests")
        if self.duration_s is not None and self.warmup_s + self.cooldown_s >= self.duration_s:
            wrong.append("warmup_s and cooldown_s leave nothing to measure of duration_s")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def label(self) -> str:
        """For people: `16 at a time`, `5 requests/s`, `2 conversations/s`, `a trace`."""
        cap = f", at most {self.concurrency} in flight" if self.concurrency else ""
        if self.arrivals is None:
            return f"{self.concurrency} at a time"
        if self.rate_per_s is None:
            return "a trace" + (f" at {self.speed:g} times its speed" if self.speed != 1 else "") + cap
        to = f" to {self.ramp_to_per_s:g}" if self.ramp_to_per_s is not None else ""
        how = {"constant": ", evenly spaced", "gamma": f", burstiness {self.burstiness:g}" if self.burstiness else ""}
        return f"{self.rate_per_s:g}{to} {self.begins}/s{how.get(self.arrivals, '')}{cap}"

    @property
    def begins(self) -> str:
        """What its arrivals are: `requests`, or `conversations`, whose later turns follow in their own time."""
        return "conversations" if self.multi_turn else "requests"

    @property
    def gap_variation(self) -> float:
        """Standard deviation of the gaps between arrivals over their mean; of a trace taken to be that of Poisson."""
        return 0.0 if self.arrivals == "constant" else (self.burstiness or 1.0) ** -0.5

    def phase_at(self, since_s: float) -> Phase:
        """Which phase a request belongs to that is due so long after the load began."""
        if since_s < self.warmup_s:
            return "warmup"
        end_s = math.inf if self.duration_s is None else self.duration_s - self.cooldown_s
        return "cooldown" if self.cooldown_s and since_s >= end_s else "measured"


class Trace(Record):
    """One request. Times are seconds since the load began, on the monotonic clock, to a microsecond."""

    request: int
    """In the order in which they were due."""
    conversation: int
    """Index into the conversations of its level: equal ones of one turn said the same."""
    turn: int = 0
    model: str | None = None
    """That was asked, where it is another than the target's: an adapter."""
    served_model: str | None = None
    """That the answer names, where it is another than was asked: an alias, or what a gateway fell back to."""
    max_tokens: int | None = None
    """That its answer might have; None: the load's."""
    phase: Phase = "measured"
    intended_s: float
    """When it was due: by the arrivals of an open loop; in a closed one when the kernel had the last byte of its user's
    last answer."""
    late_s: float = Field(default=0.0, ge=0)
    """How late the client itself began on it: after it was due, and the cap had room."""
    sent_s: float | None = None
    """Just before the first byte was written; None when no connection was made."""
    first_byte_s: float | None = None
    """The first byte of the answer, which is its status line and no token."""
    ended_s: float
    """Its last byte; of a request that failed or was cut when that was so."""
    arrivals_s: tuple[float, ...] = ()
    """One per arrival: the kernel's receive time of its last segment, or the reader's own time (see `Client.clock`)."""
    frames: tuple[int, ...] = ()
    """Token frames in each arrival. A frame that only names the role is none, nor are usage and `[DONE]`."""
    lags_s: tuple[float | None, ...] = ()
    """Per arrival: when the client looked minus when the kernel had it; None where the kernel gave no time."""
    away_s: tuple[tuple[int, float], ...] = ()
    """(which arrival, seconds) of those with several token frames: for so long the client had looked at no socket
    before, where that is more than 5 ms. When the older of its tokens came nobody knows, whatever its lag."""
    prompt_tokens: int | None = None
    """By the server's `usage`; None when it sent none."""
    cached_tokens: int | None = None
    """Of the prompt, read from the prefix cache by the server's `usage`; None when it does not say."""
    completion_tokens: int | None = None
    """By the server's `usage`; None when it sent none."""
    hidden_tokens: int = 0
    """Of `completion_tokens`: counted as reasoning by `usage`, and never sent."""
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
    def counts(self) -> bool:
        """It is one of those that its level is about: neither warm-up nor cool-down, and not `cut`."""
        return self.phase == "measured" and not self.cut

    @property
    def answered(self) -> bool:
        """Complete, with status 200 and a proper end."""
        return self.error is None and not self.cut

    @property
    def output_tokens(self) -> int:
        """By `usage`; where the server sent none, the token frames counted."""
        return sum(self.frames) if self.completion_tokens is None else self.completion_tokens

    @property
    def shown_tokens(self) -> int:
        """Those that were sent: what lies between the first frame and the last is the time of these."""
        return self.output_tokens - self.hidden_tokens

    @model_validator(mode="after")
    def _aligned(self) -> Trace:
        if not len(self.arrivals_s) == len(self.frames) == len(self.lags_s):
            raise ValueError("arrivals_s, frames and lags_s must be of one length")
        if not all(0 <= arrival < len(self.frames) and 0 <= away_s <= _FARTHEST_S for arrival, away_s in self.away_s):
            raise ValueError("away_s must name arrivals that there are")
        if not 0 <= self.hidden_tokens <= (self.completion_tokens or 0):
            raise ValueError("hidden_tokens must be some of completion_tokens")
        times = (self.intended_s, self.sent_s, self.first_byte_s, self.ended_s, *self.arrivals_s)
        if not all(time is None or -_FARTHEST_S <= time <= _FARTHEST_S for time in times):
            raise ValueError(f"its times must lie within {_FARTHEST_S:,.0f} s of the beginning")
        return self
