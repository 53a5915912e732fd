"""What is sent in one run, and the same again for another stage of it without a hit in the prefix cache."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from infercli.core.load.conversation import Conversation, PrefixSent, Prompt, Turn
from infercli.core.load.draws import Draws
from infercli.core.load.texts import GROUPS, Numbers
from infercli.core.record import Json, Record
from infercli.core.traces import Api, Trace

BASE_MODEL = "base"
"""Among adapters: the target's own model, which has none."""
CUT_FRACTION = 0.75
"""Of the words of a prompt: with fewer tokens it was cut. Our choice."""
_MOST_DEALT = 1000
"""Conversations in which models have their shares; one with less than a thousandth has it only over more."""


class Mark(NamedTuple):
    """Where a number stands in the first prompt of a conversation, which is a text."""

    conversation: int
    start: int
    end: int
    number: int
    """Which number: equal ones change together, so what was shared stays shared."""


class Prefix(NamedTuple):
    """What conversations that were made here begin with in common."""

    tokens: int
    groups: int
    """So many different ones, taken in turn."""


class Sending(Record):
    """Conversations, and what goes with them."""

    conversations: tuple[Conversation, ...]
    source: str
    """For results: where they come from and what is known of their lengths, never what they say."""
    max_tokens: int | None = None
    """Of turns that do not say it; None: the load's."""
    api: Api | None = None
    """That they are made for; None: any that can carry them."""
    written: bool = False
    """Made here: each begins with a number of its own unless it was too short for one. False: text of the user's."""
    numbers: Numbers = Numbers(GROUPS, "", 0)
    marks: tuple[Mark, ...] = ()
    """In order of `conversation`, then of `start`."""
    prefix: Prefix | None = None


def fresh(sending: Sending, stage: int) -> tuple[Conversation, ...]:
    """The same conversations with another beginning in each stage, so that no stage finds another's in the cache.

    What was made here has its numbers replaced by others of the same length in tokens; stage 0 is
    `sending.conversations`. The user's own text gets one number before it, the same for all of a stage (what they
    share, they still share), and is a few tokens longer than it was, in stage 0 too: the stages are alike.
    """
    numbers = sending.numbers
    if not sending.written:
        number = numbers.number(0, stage)
        return tuple(_begun(c, number) for c in sending.conversations)
    if not stage:
        return sending.conversations
    marks: defaultdict[int, list[Mark]] = defaultdict(list)
    for mark in sending.marks:
        marks[mark.conversation].append(mark)
    renewed = list(sending.conversations)
    for at, here in marks.items():
        first, *rest = renewed[at].turns
        text = first.prompt
        assert isinstance(text, str)
        for mark in reversed(here):
            text = text[: mark.start] + numbers.number(mark.number, stage) + text[mark.end :]
        renewed[at] = renewed[at].model_copy(update={"turns": (first.model_copy(update={"prompt": text}), *rest)})
    return tuple(renewed)


def capped(sending: Sending, most: int) -> Sending:
    """The same, with no answer of more than `most` tokens, whatever the conversations themselves say."""
    limits = [turn.max_tokens for c in sending.conversations for turn in c.turns]
    if not any(limit is not None and limit > most for limit in limits):
        return sending
    conversations = tuple(
        c.model_copy(update={"turns": tuple(_shortened(turn, most) for turn in c.turns)}) for c in sending.conversations
    )
    source = f"{sending.source}; answers of more than {most:,} tokens cut to that"
    return sending.model_copy(update={"conversations": conversations, "source": source})


def _shortened(turn: Turn, most: int) -> Turn:
    return turn if turn.max_tokens is None else turn.model_copy(update={"max_tokens": min(turn.max_tokens, most)})


def spread_over(sending: Sending, shares: Mapping[str, float], seed: int) -> Sending:
    """Each conversation for one of the models (`base`: the target's), so that any stretch of them has the shares.

    Dealt in hands in which the smallest share has one (1 and 3: four conversations). The seed decides the order within
    a hand, so that no model always meets the same user or the same shared prefix.
    """
    total = sum(shares.values())
    size = min(_MOST_DEALT, math.ceil(total / min(shares.values())))
    dealt = dict.fromkeys(shares, 0)
    models: list[str] = []
    while len(models) < len(sending.conversations):
        hand = []
        for at in range(len(models) + 1, len(models) + size + 1):
            behind = max(shares, key=lambda name: at * shares[name] / total - dealt[name])
            dealt[behind] += 1
            hand.append(behind)
        models += Draws("models", seed, len(models)).shuffled(hand)
    conversations = tuple(
        c.model_copy(update={"model": None if model == BASE_MODEL else model})
        for c, model in zip(sending.conversations, models, strict=False)
    )
    said = ", ".join(f"{name}={share:g}" for name, share in shares.items())
    return sending.model_copy(
        update={"conversations": conversations, "source": f"{sending.source}; spread over {said}"}
    )


def prefix_sent(sending: Sending, levels: Iterable[Sequence[Trace]]) -> PrefixSent | None:
    """How often the shared prefix was one that had been sent before, by the traces of each level."""
    if sending.prefix is None:
        return None
    count, before, pool = 0, 0, len(sending.conversations)
    for traces in levels:
        seen: set[tuple[int, int]] = set()
        for t in sorted((t for t in traces if not t.turn and t.sent_s is not None), key=lambda t: t.sent_s or 0.0):
            # Beyond the pool they are its own once more, with other numbers (core/load/repeats.py).
            again, place = divmod(t.conversation, pool)
            shared = (again, place % sending.prefix.groups)
            count += t.phase == "measured"
            before += t.phase == "measured" and shared in seen
            seen.add(shared)
    return PrefixSent(tokens=sending.prefix.tokens, first_prompts=count, sent_before=before)


def cut_prompts(sending: Sending, levels: Iterable[Sequence[Trace]]) -> int:
    """How many first prompts the endpoint read only in part, by its own `usage`.

    Ollama and others cut what is longer than their context and say nothing. A word is a token or more; what a tokenizer
    joins of several words is far from CUT_FRACTION.
    """
    words = [_words(c.turns[0].prompt) for c in sending.conversations]
    return sum(
        t.prompt_tokens is not None and t.prompt_tokens < CUT_FRACTION * words[t.conversation % len(words)]
        for traces in levels
        for t in traces
        if t.phase == "measured" and t.answered and not t.turn
    )


def _words(prompt: Prompt) -> int:
    if isinstance(prompt, str):
        return len(prompt.split())
    contents = [message.get("content") for message in prompt]
    return sum(len(content.split()) for content in contents if isinstance(content, str))


def unfit(conversations: Sequence[Conversation], api: Api) -> str | None:
    """Why an API cannot carry the conversations; None when it can."""
    if api == "chat":
        return None
    if any(not isinstance(turn.prompt, str) for c in conversations for turn in c.turns):
        return f"some prompts are messages, which only the chat API takes, not {api}"
    if api == "embeddings" and any(len(c.turns) > 1 for c in conversations):
        return "some conversations have several turns, and an embedding has no answer to go on from"
    return None


def _begun(conversation: Conversation, number: str) -> Conversation:
    first, *rest = conversation.turns
    begun = Turn(prompt=_prefixed(first.prompt, number), max_tokens=first.max_tokens, think_s=first.think_s)
    return conversation.model_copy(update={"turns": (begun, *rest)})


def _prefixed(prompt: Prompt, number: str) -> Prompt:
    """The first text in it begins with the number; where messages hold none, a system message says it."""
    if isinstance(prompt, str):
        return f"{number} {prompt}"
    for i, message in enumerate(prompt):
        content = _prefixed_content(message.get("content"), number)
        if content is not None:
            return (*prompt[:i], {**message, "content": content}, *prompt[i + 1 :])
    return ({"role": "system", "content": number}, *prompt)


def _prefixed_content(content: Json, number: str) -> Json:
    if isinstance(content, str):
        return f"{number} {content}"
    if not isinstance(content, list):
        return None
    for i, part in enumerate(content):
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            return [*content[:i], {**part, "text": f"{number} {part['text']}"}, *content[i + 1 :]]
    return None
