"""Enough conversations for a level, so that none is sent twice: a repeat would find the first in the prefix cache."""

from __future__ import annotations

import math

from infercli.core.load.conversation import Conversation
from infercli.core.load.sending import Sending, fresh
from infercli.core.traces import Api, Load

MOST = 50_000
"""Conversations of a level: 1.3 s to make and to serialise (measured, of 64 words each)."""
MOST_CHARACTERS = 64_000_000
"""Of all their texts. They lie in memory twice, once as what is sent."""
_ANSWER_S, _TOKEN_S, _EMBEDDED_S = 0.02, 0.002, 0.004
"""Faster than servers answer: of a closed loop that goes by time it is not known how many requests it comes to. An
embedding is one pass, and has no tokens."""


def enough(sending: Sending, load: Load, stage: int, stages: int, api: Api = "chat") -> tuple[Conversation, ...]:
    """The conversations of a stage, of `stages` at most, and again with other numbers until there are enough for it.

    Text of the user's is not changed and not made more, nor is what a trace replays: each of it is sent once.
    """
    # Of several stages none is to find what another left in the prefix cache.
    conversations = fresh(sending, stage) if stages > 1 else sending.conversations
    if not sending.marks or load.arrivals == "trace":
        return conversations
    characters = sum(len(turn.prompt) for c in conversations for turn in c.turns)
    wanted = min(planned(load, api), MOST, MOST_CHARACTERS * len(conversations) // characters)
    more = list(conversations)
    while len(more) < wanted:
        stage += stages  # no stage has the numbers of another
        more += fresh(sending, stage)
    return tuple(more)


def planned(load: Load, api: Api = "chat") -> int:
    """How many conversations a load may begin, warm-up included: where it goes by time, more than is to be expected."""
    if load.requests is not None:
        return load.warmup_requests + load.requests
    assert load.duration_s is not None  # only a trace has neither
    if load.rate_per_s is None:
        each_s = _EMBEDDED_S if api == "embeddings" else _ANSWER_S + _TOKEN_S * load.max_tokens
        expected = (load.concurrency or 1) * (1 + load.duration_s / each_s)
    else:
        rate_per_s = (load.rate_per_s + (load.ramp_to_per_s or load.rate_per_s)) / 2
        expected = rate_per_s * load.duration_s
        expected += 5 * (1 + load.gap_variation) * math.sqrt(expected + 1)
    return load.warmup_requests + math.ceil(min(expected, MOST))
