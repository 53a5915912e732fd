"""What a benchmark sends, as people write it down (benchmarks/workloads/*.yaml).

Not to be confused with `core/documents/workload.py`, which is the traffic that a deployment is planned for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from infercli.core.load.amounts import Amount
from infercli.core.load.conversation import Conversation, Prompt
from infercli.core.record import Document, Record
from infercli.core.traces import Api

TraceFormat = Literal["mooncake", "timed_trace", "burstgpt", "azure"]
"""When requests came and how long they were, without their text."""
FileFormat = Literal["mooncake", "timed_trace", "burstgpt", "azure", "sharegpt", "jsonl", "promptfoo"]
TRACE_FORMATS: tuple[TraceFormat, ...] = ("mooncake", "timed_trace", "burstgpt", "azure")
FILE_FORMATS: tuple[FileFormat, ...] = (*TRACE_FORMATS, "sharegpt", "jsonl", "promptfoo")

BLOCK_TOKENS = {"mooncake": 512, "timed_trace": 16}
"""Tokens that one of `hash_ids` stands for. Mooncake's README (FAST'25 release) and the default of
`--timed-trace-chunk-hash-size` (vLLM 0.29, vllm/benchmarks/datasets)."""
UNIT_S = {"mooncake": 0.001, "timed_trace": 1.0}
"""Seconds that 1 in `timestamp` is. The same sources: milliseconds, and `--timed-trace-sec-multiplier`."""


class SharedPrefix(Record):
    """What the first prompts begin with in common."""

    tokens: int | None = Field(default=None, ge=1)
    """Of the prefix; or"""
    hit_fraction: float | None = Field(default=None, gt=0, lt=1)
    """the share of all first prompts' tokens that an endless cache has seen before: the prefix is made so long."""
    groups: int = Field(default=1, ge=1)
    """So many different prefixes, taken in turn."""

    @model_validator(mode="after")
    def _one_of_them(self) -> SharedPrefix:
        if (self.tokens is None) == (self.hit_fraction is None):
            raise ValueError("give either tokens or hit_fraction")
        return self


class Synthetic(Record):
    """Conversations of random words."""

    input_tokens: Amount
    """Of the first prompt, shared prefix and suffix included, chat template not."""
    output_tokens: Amount | None = None
    """`max_tokens` of each turn; None: the workload's, or the load's."""
    turns: Amount = Amount(mean=1)
    turn_tokens: Amount | None = None
    """Of the prompts after the first: what is new in them. None: as `input_tokens`, less the shared prefix."""
    think_s: Amount = Amount(mean=0)
    """From an answer to the next turn."""
    shared_prefix: SharedPrefix | None = None
    suffix: str | None = Field(default=None, min_length=1)
    """What every prompt ends with."""

    @model_validator(mode="after")
    def _possible(self) -> Synthetic:
        wrong = []
        for name in ("input_tokens", "output_tokens", "turns", "turn_tokens"):
            amount: Amount | None = getattr(self, name)
            if amount is not None and amount.lowest(1) < 1:
                wrong.append(f"{name} must be at least 1")
        prefix = self.shared_prefix.tokens if self.shared_prefix else None
        if prefix is not None and prefix >= self.input_tokens.lowest(1):
            least = self.input_tokens.lowest(1)
            wrong.append(f"shared_prefix of {prefix} tokens leaves nothing of input_tokens, which may be {least:g}")
        if self.shared_prefix and prefix is None and self.turn_tokens is None and self.turns != Amount(mean=1):
            wrong.append("turn_tokens is needed beside hit_fraction: it is not known what a first prompt has besides")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class Workload(Document):
    """A file of what to send: exactly one of `prompts`, `conversations`, `synthetic` and `file`."""

    kind: Literal["Workload"] = "Workload"
    name: str = Field(min_length=1)
    description: str | None = None
    prompts: tuple[Prompt, ...] | None = Field(default=None, min_length=1)
    """One request each."""
    conversations: tuple[Conversation, ...] | None = Field(default=None, min_length=1)
    synthetic: Synthetic | None = None
    file: str | None = Field(default=None, min_length=1)
    """Beside this file, or an absolute path."""
    format: FileFormat | None = None
    """Of `file`."""
    block_tokens: int | None = Field(default=None, ge=1)
    """Of `hash_ids` in a trace; None: the format's own (`BLOCK_TOKENS`)."""
    unit_s: float | None = Field(default=None, gt=0)
    """Of `timestamp` in a trace; None: the format's own (`UNIT_S`)."""
    max_turns: int | None = Field(default=None, ge=1)
    """Of a ShareGPT conversation; 1 sends what `vllm bench serve` does. None: all."""
    loras: dict[str, float] = {}
    """Adapter -> its share of the conversations, against the other shares; `base` is the model without one."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Of answers for which nothing else says it."""
    api: Api | None = None
    """None: the command's."""

    @model_validator(mode="after")
    def _one_source(self) -> Workload:
        given = [n for n in ("prompts", "conversations", "synthetic", "file") if getattr(self, n) is not None]
        wrong = []
        if len(given) != 1:
            also = f", not {' and '.join(given)}" if given else ""
            wrong.append(f"give exactly one of prompts, conversations, synthetic and file{also}")
        if (self.file is None) != (self.format is None):
            wrong.append(f"file and format belong together; a format is one of {', '.join(FILE_FORMATS)}")
        if self.format not in BLOCK_TOKENS and (self.block_tokens is not None or self.unit_s is not None):
            wrong.append(f"block_tokens and unit_s belong to the formats {' and '.join(BLOCK_TOKENS)}")
        if self.format != "sharegpt" and self.max_turns is not None:
            wrong.append("max_turns belongs to the format sharegpt")
        wrong += [f"loras.{name}: must be more than 0" for name, share in self.loras.items() if not 0 < share < 1e9]
        times = [c.at_s for c in self.conversations or ()]
        if None in times and any(t is not None for t in times):
            wrong.append("conversations: either all have at_s or none")
        elif any(later < sooner for sooner, later in pairwise(t for t in times if t is not None)):
            wrong.append("conversations: at_s goes backwards")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
