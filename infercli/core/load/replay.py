"""A trace of requests as conversations: at their times, as long as they were, sharing what they shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from infercli.core.load.conversation import Conversation, Turn
from infercli.core.load.sending import Mark, Sending
from infercli.core.load.texts import Piece, TokenLengths, Writer, check_held
from infercli.core.units import counted
from infercli.errors import InputError


class TraceRequest(NamedTuple):
    """One request of a trace."""

    at_s: float
    """Since the first one of the trace."""
    input_tokens: int
    output_tokens: int
    blocks: tuple[str | int, ...] = ()
    """Names of the prompt's blocks, in order. A name stands for a text and all that is before it: requests that begin
    with the same names began alike. Empty: nothing is known, and nothing is shared."""


def replay(
    requests: Sequence[TraceRequest], block_tokens: int | None, lengths: TokenLengths | None, seed: int
) -> Sending:
    """One conversation of one turn a request. `block_tokens`: of a block; None where the trace has none.

    Text is made up: equal blocks give equal words, and the rest of a prompt begins as the whole block would.
    """
    check_held([request.input_tokens for request in requests])
    writer = Writer(lengths, seed)
    blocks = _Blocks(writer, block_tokens, seed)
    pieces, marks = [], []
    for i, request in enumerate(requests):
        piece, mark = blocks.piece(i, request)
        pieces.append(piece)
        if mark is not None:
            marks.append(mark)
    texts = writer.write(pieces)
    conversations = tuple(
        Conversation(turns=(Turn(prompt=text, max_tokens=request.output_tokens),), at_s=request.at_s)
        for text, request in zip(texts, requests, strict=True)
    )
    return Sending(
        conversations=conversations,
        source=_words(requests, block_tokens, lengths),
        written=True,
        numbers=writer.numbers,
        marks=tuple(marks),
    )


def hit_tokens(requests: Sequence[TraceRequest], block_tokens: int) -> int:
    """Input tokens that an endless prefix cache has seen before: of each request its leading known blocks."""
    seen: set[str | int] = set()
    hits = 0
    for request in requests:
        known = next((i for i, block in enumerate(request.blocks) if block not in seen), len(request.blocks))
        hits += min(known * block_tokens, request.input_tokens)
        seen.update(request.blocks)
    return hits


class _Blocks:
    """The texts of blocks, each written once."""

    def __init__(self, writer: Writer, block_tokens: int | None, seed: int) -> None:
        if block_tokens is not None and block_tokens <= writer.number_tokens:
            raise InputError(
                f"blocks of {block_tokens} tokens are too short to be told apart from one another",
                f"block_tokens must be more than {writer.number_tokens}",
            )
        self._writer = writer
        self._block_tokens = block_tokens or 1
        self._seed = seed
        self._texts: dict[tuple[str | int, str], str] = {}
        self._numbers: dict[tuple[str | int, ...], int] = {}

    def piece(self, i: int, request: TraceRequest) -> tuple[Piece, Mark | None]:
        """The text of a request, its last block still to be written, and where its number stands."""
        if request.input_tokens <= self._writer.number_tokens:
            return Piece("", 0, request.input_tokens, ("request", self._seed, i)), None
        first = ("block", request.blocks[0]) if request.blocks else ("request", i)
        index = self._numbers.setdefault(first, len(self._numbers))
        number = self._writer.numbers.number(index)
        # The last block is written with the whole text, so that the whole has its length.
        whole = min(len(request.blocks), (request.input_tokens - 1) // self._block_tokens)
        parts = [self._text(block, number if at == 0 else "") for at, block in enumerate(request.blocks[:whole])]
        head = " ".join(parts) if parts else number
        head_tokens = whole * self._block_tokens if parts else self._writer.number_tokens
        last = (
            ("block", self._seed, request.blocks[whole]) if whole < len(request.blocks) else ("request", self._seed, i)
        )
        return Piece(head, head_tokens, request.input_tokens, last), Mark(i, 0, len(number), index)

    def _text(self, block: str | int, number: str) -> str:
        """One whole block: at the beginning of a prompt with its number, later on as it stands after a word."""
        known = self._texts.get((block, number))
        if known is None:
            # Where there is no number, `-` stands for what is before it: a word costs what it does after a word.
            head, head_tokens = (number, self._writer.number_tokens) if number else ("-", 0)
            piece = Piece(head, head_tokens, self._block_tokens, ("block", self._seed, block))
            known = self._texts[block, number] = self._writer.draft(piece).removeprefix("- ")
        return known


def _words(requests: Sequence[TraceRequest], block_tokens: int | None, lengths: TokenLengths | None) -> str:
    total = sum(r.input_tokens for r in requests)
    sure = f"exactly, by {lengths.name}" if lengths is not None else "about, at a token a word"
    sent = f"{counted(len(requests), 'request')} over {_seconds(requests[-1].at_s)} s"
    parts = [f"{sent}, {total:,} input tokens ({sure}; no chat template)"]
    if block_tokens is not None and any(r.blocks for r in requests):
        parts.append(f"{hit_tokens(requests, block_tokens) / total:.0%} of them in prefixes that were sent before")
    return "; ".join(parts)


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
