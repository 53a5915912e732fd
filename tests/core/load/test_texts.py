from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.load.amounts import Amount
from infercli.core.load.draws import Draws
from infercli.core.load.texts import GROUPS, WORDS, Numbers, Piece, Writer
from infercli.errors import InputError
from tests.parts.bpe import KINDS, Counted


@pytest.fixture(scope="module", params=KINDS)
def lengths(request):
    return Counted(request.param)


@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind != "superwords"])
def by_word(request):
    """Of those that join no words, as all but a few do."""
    return Counted(request.param)


def test_a_key_decides_its_draws_whatever_was_drawn_under_another():
    assert Draws("a", 1).take(40) == Draws("a", 1).take(40)
    assert Draws("a", 1).take(40) != Draws("a", 2).take(40)
    assert Draws("a", 11).take(40) != Draws("a1", 1).take(40)
    draws = Draws("a", 1)
    assert draws.take(15) + draws.take(25) == Draws("a", 1).take(40)


def test_fractions_fill_the_unit_interval_evenly():
    draws = Draws("even")
    found = [draws.fraction() for _ in range(4000)]
    assert min(found) >= 0
    assert max(found) < 1
    # A uniform sample of 4,000: mean 1/2 and variance 1/12, within five of their standard errors (0.0046 and 0.0012).
    assert statistics.fmean(found) == pytest.approx(1 / 2, abs=0.023)
    assert statistics.pvariance(found) == pytest.approx(1 / 12, abs=0.006)


def test_weights_decide_how_often_each_is_drawn():
    draws = Draws("weights")
    counts = [0, 0, 0]
    for _ in range(4000):
        counts[draws.weighted([1, 0.0001, 3])] += 1
    assert counts[0] / 4000 == pytest.approx(0.25, abs=0.035)  # five standard errors of a share of 1/4 in 4,000
    assert counts[1] <= 5


def test_a_spread_has_its_mean_and_deviation_and_never_leaves_its_limits():
    amount = Amount.model_validate({"mean": 1000, "stdev": 100})
    found = [amount.draw(Draws("spread", i)) for i in range(2000)]
    assert statistics.fmean(found) == pytest.approx(1000, abs=12)  # five standard errors: 5 * 100 / sqrt(2000) = 11.2
    assert statistics.pstdev(found) == pytest.approx(100, abs=8)
    cut = Amount.model_validate({"mean": 100, "stdev": 1000, "min": 90, "max": 110})
    assert all(90 <= cut.draw(Draws("cut", i)) <= 110 for i in range(500))
    low = Amount.model_validate({"mean": 1, "stdev": 50})
    assert {low.tokens(Draws("low", i)) for i in range(300)} > {1}
    assert all(low.tokens(Draws("low", i)) >= 1 for i in range(300))


def test_numbers_are_different_for_every_text_and_stage_and_of_one_length():
    numbers = Numbers(GROUPS, " ", seed=4)
    pairs = [(index, stage) for index in (*range(300), 16_383, 16_384, 16_385) for stage in (0, 1, 127, 128)]
    made = {pair: numbers.number(*pair) for pair in pairs}
    assert len(set(made.values())) == len(pairs)
    assert {len(made[i, s]) for i, s in pairs if i < 128 * 128} == {11}
    assert numbers.number(3) == Numbers(GROUPS, " ", seed=4).number(3)
    assert numbers.number(3) != Numbers(GROUPS, " ", seed=5).number(3)


def test_texts_side_by_side_differ_from_their_first_group_on():
    numbers = Numbers(GROUPS, " ", seed=0)
    firsts = [numbers.number(i).split()[0] for i in range(len(GROUPS))]
    assert len(set(firsts)) == len(GROUPS)
    assert numbers.number(0, 1).split()[0] != firsts[0]


@settings(max_examples=40)
@given(tokens=st.lists(st.integers(1, 400), min_size=1, max_size=6), seed=st.integers(0, 9))
def test_a_text_has_exactly_the_tokens_asked_for(lengths, tokens, seed):
    writer = Writer(lengths, seed)
    pieces = []
    for i, n in enumerate(tokens):
        number = writer.numbers.number(i) if n > writer.number_tokens + 4 else ""
        pieces.append(Piece(number, writer.number_tokens if number else 0, n, ("t", seed, i)))
    assert lengths.lengths(writer.write(pieces)) == tokens


@settings(max_examples=20)
@given(stage=st.integers(1, 60), index=st.integers(0, 4000), tokens=st.integers(40, 300))
def test_another_number_is_as_long_in_tokens_as_the_first(by_word, stage, index, tokens):
    lengths = by_word
    writer = Writer(lengths, 0)
    first, other = writer.numbers.number(index), writer.numbers.number(index, stage)
    (text,) = writer.write([Piece(first, writer.number_tokens, tokens, ("t",))])
    assert text.startswith(first)
    assert lengths.lengths([other + text.removeprefix(first)]) == [tokens]


def test_a_tail_ends_the_text_and_is_counted(lengths):
    writer = Writer(lengths, 0)
    (text,) = writer.write([Piece("366", 1, 60, ("t",), "What is it?")])
    assert text.endswith(" What is it?")
    assert lengths.lengths([text]) == [60]


def test_equal_keys_give_equal_words_for_as_long_as_both_texts_go_on(lengths):
    writer = Writer(lengths, 0)
    long, short = writer.write([Piece("7", 1, 400, ("k",)), Piece("7", 1, 250, ("k",))])
    shared = len(
        list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(long.split(), short.split(), strict=False)))
    )
    # Only the last tokens are chosen so that the length comes out.
    assert lengths.lengths([" ".join(short.split()[:shared])])[0] >= 250 - 2 * 64


class Refusing:
    """A tokenizer to which every text is as long as every other."""

    name, digest = "refusing", "refusing"

    def lengths(self, texts):
        return [3] * len(texts)


def test_a_length_that_cannot_be_had_is_said_and_not_sent_as_another():
    with pytest.raises(InputError, match="refusing has no text of exactly 50 tokens"):
        Writer(Refusing(), 0).write([Piece("", 0, 50, ("t",))])


def test_without_a_tokenizer_a_word_is_taken_for_a_token():
    writer = Writer(None, 0)
    (text,) = writer.write([Piece(writer.numbers.number(0), writer.number_tokens, 100, ("t",))])
    assert len(text.split()) == 1 + 94  # a number of nine digits stands for six tokens
    assert text.split()[0].isdigit()


def test_words_are_many_and_none_is_there_twice():
    assert len(set(WORDS)) == len(WORDS) == 128
    assert len(set(GROUPS)) == len(GROUPS) == 128
