"""Texts of a given length in tokens: words drawn by a seed, and a number of its own at the beginning of each.

With a tokenizer the length is exact: it is measured on the whole text and mended until it is. The length is that of the
text alone: what an endpoint puts around it (a chat template, a first token) comes on top. Without a tokenizer it is
estimated, at a token a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from infercli.core.load.draws import Draws
from infercli.errors import InputError

_TEXT = """
    time year people way day man thing woman life child world school state family student group country problem
    hand part place case week company system program question work number night point home water room mother area
    money story fact month lot right book eye job word business issue side kind head house service friend father
    power hour game line end member law car city community name team kid body information back parent face level
    office door health person art war history party result change reason girl air force education foot boy age
    policy music market nation plan interest effect use class control field development role rate heart show
    leader light voice mind price report son view town road arm value building action season tax director
    position player record
"""
WORDS = tuple(_TEXT.split())
"""Each is one token, at the beginning of a text and after a space, by the tokenizers of GPT-2, cl100k and o200k (Llama
3's and Qwen's grew from the second), by Mistral's SentencePiece one and by its Tekken: tried on each."""

TOKENS_PER_WORD = 1.3
"""Of other English text, where nobody can count: 100 tokens to about 75 words, OpenAI's rule of thumb."""
NUMBER_TOKENS = 6
"""Of a number of nine digits, where nobody can count: Llama 3 takes 3 tokens for it, Qwen and Mistral 9."""

GROUPS = tuple(str(n) for n in range(100, 996, 7))
"""What numbers are made of: 128 groups of three digits, spread evenly."""
MIN_GROUPS = 3

CHUNK_TOKENS = 64
"""Words are drawn many at a time until so few tokens are left, then one at a time, so that the last one fits."""
MENDINGS = 96
"""Tries to mend a length. With the tokenizers named above the first draw is right or the first mending is; with one
that joins words their cost depends on their neighbours, and some at the end are drawn again each time: 24 tries missed
one batch in 250, 48 none of 1,500."""


MOST_TOKENS = 500_000_000
"""Of all texts of a run: 30 bytes a token while they are written (measured), so 15 GB. Our choice."""


class TokenLengths(Protocol):
    """Whoever can say how many tokens a text is."""

    @property
    def name(self) -> str:
        """For people: `/models/llama/tokenizer.json`."""

    @property
    def digest(self) -> str:
        """Equal for tokenizers that count alike; part of the key under which prompts are kept."""

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Of each text by itself, without special tokens."""


class Piece(NamedTuple):
    """A text to be written: `head`, words, `tail`, of `tokens` tokens altogether."""

    head: str
    """Stands as it is; a space follows it. Empty: the words begin the text."""
    head_tokens: int
    """About: only the first draw goes by it."""
    tokens: int
    key: tuple[str | int, ...]
    """Of the words: equal keys give equal words for as long as both texts go on."""
    tail: str = ""


class Numbers(NamedTuple):
    """How the numbers are written that make texts differ from their beginning on."""

    alphabet: tuple[str, ...]
    """Groups of digits that are alike to the tokenizer, so that one number is as long as another."""
    separator: str
    """Between the groups: a space where a tokenizer would see digits that touch otherwise, else nothing."""
    seed: int

    def number(self, index: int, stage: int = 0) -> str:
        """The number of one text in one stage; no other text or stage has it. Two begin alike only by chance."""
        size = len(self.alphabet)
        rounds, stage = divmod(stage, size)
        groups = _order(self.alphabet, self.seed, rounds)
        low, high = index % size, index // size
        digits = [(low + stage) % size]
        while high or len(digits) < MIN_GROUPS - 1:
            digits.append(high % size)
            high //= size
        # Every place reads the groups from elsewhere: a number that repeats itself looks like a mistake.
        return self.separator.join(groups[(d + 17 * at) % size] for at, d in enumerate([*digits, stage]))


@lru_cache(maxsize=8)
def _order(alphabet: tuple[str, ...], seed: int, rounds: int) -> tuple[str, ...]:
    return Draws("numbers", seed, rounds).shuffled(alphabet)


def check_held(tokens: Sequence[int]) -> None:
    """Raises InputError for more text than memory holds, before it is written. `tokens`: of each prompt."""
    if sum(tokens) > MOST_TOKENS:
        raise InputError(
            f"{len(tokens):,} prompts of {sum(tokens):,} tokens in all are more than can be held: {MOST_TOKENS:,}",
            "send fewer (--requests; of a replay --duration), or shorter ones",
        )


class Writer:
    """Writes texts. `lengths` None: their lengths are estimates."""

    def __init__(self, lengths: TokenLengths | None, seed: int) -> None:
        self._lengths = lengths
        self._known: dict[str, int] = {}
        self._costs = _Costs([1] * len(WORDS), [1] * len(WORDS))
        self.numbers = Numbers(GROUPS, "", seed)
        self.number_tokens = NUMBER_TOKENS
        if lengths is not None:
            self._costs, self.numbers, self.number_tokens = _measured(lengths, seed)

    def count(self, text: str) -> int:
        """The tokens of a text: measured, or estimated at `TOKENS_PER_WORD`."""
        if text not in self._known:
            if self._lengths is None:
                self._known[text] = round(len(text.split()) * TOKENS_PER_WORD)
            else:
                self._known[text] = self._lengths.lengths([text])[0]
        return self._known[text]

    def draft(self, piece: Piece) -> str:
        """A text as long as what its words cost one by one: right as far as a tokenizer takes words one by one."""
        return self._draft(piece).text

    def write(self, pieces: Sequence[Piece]) -> list[str]:
        """The texts, in order. Raises InputError for a length that cannot be had, and for more than memory holds."""
        check_held([piece.tokens for piece in pieces])
        drafts = [self._draft(piece) for piece in pieces]
        if self._lengths is None:
            return [draft.text for draft in drafts]
        off = list(range(len(drafts)))
        texts = [draft.text for draft in drafts]
        for tried in range(MENDINGS):
            found = self._lengths.lengths([texts[i] for i in off])
            wrong = [(i, pieces[i].tokens - n) for i, n in zip(off, found, strict=True) if n != pieces[i].tokens]
            if not wrong:
                return texts
            for i, missing in wrong:
                drafts[i].mend(missing, anew=tried % 4 + tried // 16)
                texts[i] = drafts[i].text
            off = [i for i, _ in wrong]
        piece = pieces[off[0]]
        raise InputError(
            f"{self._lengths.name} has no text of exactly {piece.tokens} tokens that could be found",
            "another length may do; without a tokenizer lengths are approximate: --tokenizer none",
        )

    def _draft(self, piece: Piece) -> _Draft:
        return _Draft(piece, self._costs, self.count(" " + piece.tail) if piece.tail else 0)


class _Costs:
    """What each word costs, and which lengths can be made of words."""

    def __init__(self, first: list[int], later: list[int]) -> None:
        self.first, self.later = first, later
        """At the beginning of a text, and after a space."""
        self.most = max(later)
        self._reachable = [True]
        for length in range(1, CHUNK_TOKENS + self.most + 1):
            self._reachable.append(any(c <= length and self._reachable[length - c] for c in set(later)))

    def reachable(self, length: int) -> bool:
        """Whether words after a space can cost exactly so much. What is far away is taken to be."""
        return length >= 0 and (length >= len(self._reachable) or self._reachable[length])


class _Draft:
    """One text while it is being written."""

    def __init__(self, piece: Piece, costs: _Costs, tail_tokens: int) -> None:
        self._piece = piece
        self._costs = costs
        self._draws = Draws("words", *piece.key)
        self._words: list[int] = []
        self._fill(piece.tokens - piece.head_tokens - tail_tokens)

    @property
    def text(self) -> str:
        words = " ".join([WORDS[w] for w in self._words])
        return " ".join(part for part in (self._piece.head, words, self._piece.tail) if part)

    def mend(self, missing: int, anew: int) -> None:
        """Make the text longer by so many tokens, or shorter; at least `anew` words at its end are drawn again."""
        while self._words and (anew > 0 or not self._costs.reachable(missing)):
            word = self._words.pop()
            missing += self._cost(word, first=not self._words)
            anew -= 1
        self._fill(missing)

    def _cost(self, word: int, *, first: bool) -> int:
        return (self._costs.first if first and not self._piece.head else self._costs.later)[word]

    def _fill(self, left: int) -> None:
        """Add words that cost `left`, as far as words can."""
        costs, words = self._costs, self._words
        if not words and not self._piece.head:
            left -= self._one(left, first=True)
        while left > CHUNK_TOKENS:
            drawn = self._draws.take((left - CHUNK_TOKENS) // costs.most + 1).translate(_TO_WORD)
            words.extend(drawn)
            left -= sum(map(costs.later.__getitem__, drawn))
        while left > 0:
            cost = self._one(left, first=False)
            if not cost:
                return
            left -= cost

    def _one(self, left: int, *, first: bool) -> int:
        """Add a word after which the rest can be reached; its cost, or 0 when there is none."""
        reachable = self._costs.reachable
        costs = self._costs.first if first else self._costs.later
        word = self._draws.take(1)[0] % len(WORDS)
        if not reachable(left - costs[word]):
            fitting = [w for w, cost in enumerate(costs) if reachable(left - cost)]
            if not fitting:
                return 0
            word = fitting[word % len(fitting)]
        self._words.append(word)
        return costs[word]


_TO_WORD = bytes(n % len(WORDS) for n in range(256))


def _measured(lengths: TokenLengths, seed: int) -> tuple[_Costs, Numbers, int]:
    """What words and numbers cost by a tokenizer. One batch."""
    texts = [*WORDS, *(f"the {word}" for word in WORDS), "the", "the the"]
    texts += [f"{group} the" for group in GROUPS] + [f"the {group} the" for group in GROUPS]
    texts += [f"{GROUPS[0]} {group} the" for group in GROUPS]
    counts = iter(lengths.lengths(texts))
    first = _next(counts, len(WORDS))
    after_the = _next(counts, len(WORDS))
    the, the_the = _next(counts, 2)
    places = list(zip(*(_next(counts, len(GROUPS)) for _ in range(3)), strict=True))
    alike = Counter(places).most_common(1)[0][0]
    alphabet = tuple(group for group, place in zip(GROUPS, places, strict=True) if place == alike)
    number_tokens = alike[0] - (the_the - the) + (MIN_GROUPS - 1) * (alike[1] - the_the)
    costs = _Costs([max(1, n) for n in first], [max(1, n - the) for n in after_the])
    return costs, Numbers(alphabet, " ", seed), number_tokens


def _next(counts: Iterator[int], count: int) -> list[int]:
    return [next(counts) for _ in range(count)]
