"""Conversations of random words, as a workload's `synthetic` describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from infercli.core.load.conversation import Conversation, Turn
from infercli.core.load.draws import Draws
from infercli.core.load.sending import Mark, Prefix, Sending
from infercli.core.load.texts import Piece, TokenLengths, Writer
from infercli.core.load.workload import SharedPrefix, Synthetic
from infercli.core.units import counted
from infercli.errors import InputError


class _Lengths(NamedTuple):
    """Of one turn, as drawn."""

    input_tokens: int
    output_tokens: int | None
    think_s: float


def synthetic(description: Synthetic, lengths: TokenLengths | None, seed: int, count: int) -> Sending:
    """`count` conversations. The first ones do not depend on how many are asked for, unless `hit_fraction` is given.

    Raises InputError where a suffix or a prefix leaves no room.
    """
    writer = Writer(lengths, seed)
    drawn = [_draw(description, seed, i) for i in range(count)]
    prefix = description.shared_prefix
    prefixes = _Prefixes(writer, prefix, seed, [turns[0].input_tokens for turns in drawn]) if prefix else None
    pieces, marks = [], []
    for i, turns in enumerate(drawn):
        piece, found = _first(writer, description, prefixes, i, turns[0].input_tokens, seed)
        pieces.append(piece)
        marks += found
        pieces += [
            Piece("", 0, turn.input_tokens, ("turn", seed, i, at), description.suffix or "")
            for at, turn in enumerate(turns[1:], 1)
        ]
    _leave_room(writer, pieces)
    texts = iter(writer.write(pieces))
    conversations = tuple(
        Conversation(
            turns=tuple(Turn(prompt=next(texts), max_tokens=turn.output_tokens, think_s=turn.think_s) for turn in turns)
        )
        for turns in drawn
    )
    return Sending(
        conversations=conversations,
        source=_words(drawn, prefixes, lengths),
        written=True,
        numbers=writer.numbers,
        marks=tuple(marks),
        prefix=Prefix(prefixes.tokens, prefixes.groups) if prefixes else None,
    )


def synthetic_words(words: int, seed: int, count: int) -> Sending:
    """`count` prompts of `words` words each, the number at the beginning among them."""
    writer = Writer(None, seed)
    heads = [writer.numbers.number(i) for i in range(count)]
    texts = writer.write([Piece(head, 1, words, ("first", seed, i)) for i, head in enumerate(heads)])
    return Sending(
        conversations=tuple(Conversation(turns=(Turn(prompt=text),)) for text in texts),
        source=f"synthetic ({words} words, seed {seed})",
        written=True,
        numbers=writer.numbers,
        marks=tuple(Mark(i, 0, len(head), i) for i, head in enumerate(heads)),
    )


class _Prefixes:
    """The shared beginnings, one a group, each with a number of its own."""

    def __init__(self, writer: Writer, prefix: SharedPrefix, seed: int, first_tokens: Sequence[int]) -> None:
        self.groups = prefix.groups
        later = len(first_tokens) - min(prefix.groups, len(first_tokens))
        if prefix.tokens is not None:
            self.tokens = prefix.tokens
        else:
            assert prefix.hit_fraction is not None
            if not later:
                raise InputError(
                    f"{counted(len(first_tokens), 'conversation')} in {prefix.groups} groups: each is a first one",
                    "send more, or give the shared prefix fewer groups",
                )
            self.tokens = max(1, round(prefix.hit_fraction * sum(first_tokens) / later))
        if self.tokens >= min(first_tokens):
            raise InputError(
                f"a shared prefix of {self.tokens:,} tokens leaves nothing of a prompt of {min(first_tokens):,}",
                "a smaller hit_fraction, fewer groups, more requests, or a larger min of input_tokens",
            )
        heads = [self._number(writer, group) for group in range(prefix.groups)]
        pieces = [
            Piece(head, writer.number_tokens if head else 0, self.tokens, ("prefix", seed, group))
            for group, head in enumerate(heads)
        ]
        self.texts = writer.write(pieces)
        self.number_ends = [len(head) for head in heads]

    def _number(self, writer: Writer, group: int) -> str:
        return writer.numbers.number(group) if self.tokens > writer.number_tokens else ""


def _first(
    writer: Writer, description: Synthetic, prefixes: _Prefixes | None, i: int, tokens: int, seed: int
) -> tuple[Piece, list[Mark]]:
    """The first prompt of a conversation: shared prefix, number, words, suffix."""
    head, head_tokens, marks, index = "", 0, [], i
    if prefixes:
        group = i % prefixes.groups
        head, head_tokens, index = prefixes.texts[group], prefixes.tokens, prefixes.groups + i
        if prefixes.number_ends[group]:
            marks.append(Mark(i, 0, prefixes.number_ends[group], group))
    tail = description.suffix or ""
    room = tokens - head_tokens - (writer.count(" " + tail) if tail else 0)
    if room > writer.number_tokens:
        number = writer.numbers.number(index)
        start = len(head) + 1 if head else 0
        marks.append(Mark(i, start, start + len(number), index))
        head = f"{head} {number}" if head else number
        head_tokens += writer.number_tokens
    return Piece(head, head_tokens, tokens, ("first", seed, i), tail), marks


def _draw(description: Synthetic, seed: int, i: int) -> list[_Lengths]:
    draws = Draws("lengths", seed, i)
    turns = []
    prefix = description.shared_prefix.tokens if description.shared_prefix else None
    for at in range(description.turns.tokens(draws)):
        if at and description.turn_tokens is not None:
            tokens = description.turn_tokens.tokens(draws)
        else:
            tokens = description.input_tokens.tokens(draws) - (prefix or 0 if at else 0)
        output = None if description.output_tokens is None else description.output_tokens.tokens(draws)
        turns.append(_Lengths(tokens, output, description.think_s.draw(draws) if at else 0.0))
    return turns


def _leave_room(writer: Writer, pieces: Sequence[Piece]) -> None:
    shortest = min((piece for piece in pieces if piece.tail), key=lambda p: p.tokens - p.head_tokens, default=None)
    if shortest is not None and shortest.tokens - shortest.head_tokens <= writer.count(" " + shortest.tail):
        raise InputError(
            f"the suffix of {writer.count(' ' + shortest.tail)} tokens leaves nothing of a prompt of {shortest.tokens}",
            "a shorter suffix, or a larger min of input_tokens",
        )


def _words(drawn: Sequence[Sequence[_Lengths]], prefixes: _Prefixes | None, lengths: TokenLengths | None) -> str:
    """What is known of the lengths, for people."""
    firsts = [turns[0].input_tokens for turns in drawn]
    low, high = min(firsts), max(firsts)
    span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    sure = f"exactly, by {lengths.name}, " if lengths is not None else "about, at a token a word, "
    parts = [f"first prompts of {span} tokens ({sure}chat template not counted)"]
    if prefixes:
        different = f", {prefixes.groups:,} different ones in turn" if prefixes.groups > 1 else ""
        parts.append(f"a shared prefix of {prefixes.tokens:,} tokens{different}")
    if any(len(turns) > 1 for turns in drawn):
        parts.append(f"{sum(map(len, drawn)):,} turns in {len(drawn):,} conversations")
    return "; ".join(parts)
