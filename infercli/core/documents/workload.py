"""What the traffic is like and what it must feel like."""

from pydantic import Field

from infercli.core.record import Record

MOST_COUNT = 1_000_000_000
"""Of tokens, requests or GPUs: more is a slip of the hand, and what is counted one by one would fill the memory."""


class Workload(Record):
    """Requests as they come. Lengths are tokens."""

    input_tokens: int = Field(default=1000, ge=1, le=MOST_COUNT)
    output_tokens: int = Field(default=300, ge=1, le=MOST_COUNT)
    concurrency: int = Field(default=16, ge=1, le=MOST_COUNT)
    """Requests in flight at a time that the deployment must hold without queueing for KV cache."""
    max_context_tokens: int | None = Field(default=None, ge=1, le=MOST_COUNT)
    """The longest prompt plus answer to accept; None lets the planner choose `max_model_len`."""

    def tokens_each(self, *, pools: bool) -> int:
        """Tokens of a typical request: of its prompt alone where the model pools, and generates none."""
        return self.input_tokens + (0 if pools else self.output_tokens)

    def within(self, max_model_len: int, *, pools: bool = False) -> "Workload":
        """The same, with a shorter request where the usual one would be too long and nobody said how long it is."""
        tokens = self.tokens_each(pools=pools)
        if self.model_fields_set & {"input_tokens", "output_tokens"} or not 2 <= max_model_len < tokens:
            return self
        if pools:
            return self.model_copy(update={"input_tokens": max_model_len})
        output = max(1, max_model_len * self.output_tokens // tokens)
        return self.model_copy(update={"input_tokens": max_model_len - output, "output_tokens": output})


class Objectives(Record):
    """Service-level objectives; None means none was set."""

    ttft_p95_ms: float | None = Field(default=None, gt=0)
    tpot_p95_ms: float | None = Field(default=None, gt=0)
