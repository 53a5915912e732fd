"""The scheduler, with steps of one second whatever is in them: what happens when is then counted on fingers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.speed import schedule
from infercli.core.speed.coefficients import V1
from infercli.core.speed.schedule import play
from tests.core.speed.engines import limits, step


def second(decodes, context, prefill, pairs, started):
    return 1.0


def test_one_at_a_time():
    played = play(second, limits(max_num_seqs=1), [10, 10], [3, 3])
    assert played.first_s == [1, 4]  # a step with the prompt, two with one token each; then the other's turn
    assert played.done_s == [3, 6]


def test_a_prompt_is_cut_to_the_tokens_that_a_step_has_left():
    played = play(second, limits(), [10, 10], [3, 3])
    assert played.first_s == [1, 2]  # 10 + 6 tokens; then one decode and the other 4
    assert played.done_s == [3, 4]


def test_who_decodes_has_its_token_of_a_step_before_prompts_have_the_rest():
    played = play(second, limits(max_num_batched_tokens=4), [4, 8], [10, 1])
    assert played.first_s == [1, 4]  # 4; then 3, 3 and 2 beside a token


def test_a_prompt_that_is_being_computed_counts_among_those_that_run():
    played = play(second, limits(max_num_seqs=1), [20, 4], [3, 3])
    assert played.first_s == [2, 5]  # the second step has room for tokens, and not for another request


def test_what_is_cached_or_computed_before_is_attended_to_all_the_same():
    seen = []

    def noted(decodes, context, prefill, pairs, started):
        seen.append(pairs)
        return 1.0

    play(noted, limits(), [32], [1], cached_fraction=0.5)
    play(noted, limits(), [32], [1])
    late = 16 * (16 + 8)  # 16 tokens behind 16 others: each sees those and half of its own
    assert seen == [late, 16 * 8, late]


def test_steps_that_a_long_prompt_fills_are_jumped_over_and_end_when_they_would(monkeypatch):
    asked = []

    def step_s(decodes, context, prefill, pairs, started):
        asked.append(prefill)
        return 1 + decodes + 1e-3 * context + prefill / 100 + 1e-5 * pairs + started

    def played():
        asked.clear()
        limits_ = limits(max_num_batched_tokens=100)
        return play(step_s, limits_, [30.0, 5030.0, 7.0], [40.0, 3.0, 5.0], arrivals_s=[0, 5, 60], ahead=True)

    jumped, few = played(), len(asked)
    monkeypatch.setattr(schedule, "_FILLED", 1)
    stepped = played()
    assert few < len(asked) / 4
    for jumped_s, stepped_s in zip(jumped, stepped, strict=True):
        assert jumped_s == pytest.approx(stepped_s, rel=1e-9)


def test_a_prompt_of_tens_of_thousands_of_steps_is_played_in_some_dozens():
    asked = []

    def step_s(decodes, context, prefill, pairs, started):
        asked.append(prefill)
        return 1 + 1e-4 * min(pairs, prefill * 30_000)

    played = play(step_s, limits(max_num_batched_tokens=16), [1_000_000.0], [1.0])
    # Token i attends to i - 1/2 until 30,000, and to 30,000 from there on: that is 30,000^2 / 2 pairs fewer than if all
    # did, beside a second for each of 1,000,000 / 16 steps.
    exactly_s = 1_000_000 / 16 + 1e-4 * (30_000 * 1_000_000 - 30_000**2 / 2)
    assert played.done_s == [pytest.approx(exactly_s, rel=1e-4)]
    assert len(asked) <= 70


def test_whole_prompts_go_first_and_hold_up_the_decoding_without_chunks():
    played = play(second, limits(chunked_prefill=False), [10, 10], [3, 3])
    assert played.first_s == [1, 2]
    assert played.done_s == [4, 4]  # the first one waited while the second one's prompt was computed


def test_a_cached_prefix_is_not_computed():
    played = play(second, limits(), [32], [1], cached_fraction=0.5)
    assert played.done_s == [1]
    assert play(second, limits(), [32], [1]).done_s == [2]


def test_clients_of_a_closed_loop_send_again_when_they_are_answered():
    played = play(second, limits(), [4, 4, 4], [2, 2, 2], concurrency=1)
    assert played.sent_s == [0, 2, 4]
    assert played.done_s == [2, 4, 6]


def test_a_request_passes_the_server_on_its_way_in_and_out():
    played = play(second, limits(), [4], [2], request_s=0.5)
    assert played.first_s == [1.5]
    assert played.done_s == [2.5]


def test_prompts_of_a_burst_are_all_taken_in_and_then_tokenized_in_turn():
    played = play(second, limits(), [4, 4, 4], [1, 1, 1], tokenize_s=0.75, intake_s=0.5)
    # The last is taken in after 1 s, and 3 s are each one's in turn: whoever comes finds nobody else there.
    assert played.first_s == [5, 8, 11]


def test_clients_that_are_answered_together_pass_the_server_in_turn():
    played = play(second, limits(), [4, 4, 4, 4], [2, 2, 1, 1], concurrency=2, intake_s=0.5)
    assert played.first_s[:2] == [1.5, 1.5]
    assert played.sent_s[2:] == [2.5, 2.5]
    assert played.first_s[2:] == [3.5, 4.5]  # the second came while the first was computed


def test_without_room_in_the_cache_the_next_request_waits():
    played = play(second, limits(kv_tokens=16), [10, 10], [3, 3])
    assert played.first_s == [1, 4]


def test_who_came_last_gives_its_blocks_up_and_is_computed_again():
    """22 tokens: two prompts of ten fit and leave two more tokens; the third makes the younger one start again."""
    played = play(second, limits(kv_tokens=22, max_num_batched_tokens=64), [10, 10], [4, 4])
    assert played.first_s == [1, 1]
    assert played.done_s == [4, 7]  # its prompt again, and the two tokens that are left


def test_who_gave_its_blocks_up_keeps_the_tokens_that_it_had():
    played = play(second, limits(kv_tokens=26, max_num_batched_tokens=64), [10, 10], [5, 5])
    assert played.done_s == [5, 7]  # three were made before: the fourth comes with its prompt, and one is left


def test_of_those_that_still_decode_the_youngest_gives_its_blocks_up():
    """24 tokens: the third is done with its prompt, and of the others the second makes room for the first."""
    played = play(second, limits(kv_tokens=24, max_num_batched_tokens=64), [10, 10, 4], [6, 6, 1])
    assert played.done_s == [6, 10, 1]  # of six tokens two were made before


def test_speculation_brings_several_tokens_a_step():
    assert play(second, limits(), [4], [9], tokens_per_step=2.0).done_s == [5]  # one, then four steps of two


def test_arrivals_between_steps_are_seen_at_the_next_one():
    played = play(second, limits(), [4, 4], [10, 2], arrivals_s=[0, 2.5])
    assert played.first_s == [1, 4]


def test_arrivals_are_seen_a_step_later_where_steps_are_scheduled_ahead():
    def first_s(arrivals_s):
        return play(second, limits(), [4, 4], [10, 2], arrivals_s=arrivals_s, ahead=True).first_s

    assert first_s([0, 2.5]) == [1, 5]  # the fourth step was scheduled at 2
    assert first_s([0, 0.5]) == [1, 3]
    assert first_s([0, 20.5]) == [1, 21.5]  # nothing runs: it begins at once


@given(
    prompts=st.lists(st.integers(1, 60), min_size=1, max_size=20), outputs=st.integers(1, 30),
    seqs=st.integers(1, 8), kv=st.sampled_from([None, 100, 400]), chunked=st.booleans(),
    concurrency=st.sampled_from([None, 1, 3]),
)  # fmt: skip
@settings(max_examples=200)
def test_every_request_ends_once_and_in_order(prompts, outputs, seqs, kv, chunked, concurrency):
    budget = 16 if chunked else 64
    asked = limits(max_num_seqs=seqs, kv_tokens=kv, chunked_prefill=chunked, max_num_batched_tokens=budget)
    played = play(second, asked, prompts, [outputs] * len(prompts), concurrency=concurrency)
    for sent, first, done in zip(played.sent_s, played.first_s, played.done_s, strict=True):
        assert sent < first <= done
        assert done - first >= outputs - 1 - 1e-9  # a token a step at most


def test_a_prompt_that_rounding_ends_early_is_answered_all_the_same():
    # Steps that the third of these fills were jumped over, to its very end, and nobody began its answer.
    prompts, outputs = [958 / 3, 3818 / 3, 2953 / 3, 3150 / 3], [180.0, 544 / 3, 385 / 3, 668 / 3]
    played = play(second, limits(max_num_batched_tokens=16), prompts, outputs, arrivals_s=[192, 282, 357, 364])
    assert all(sent < first <= done for sent, first, done in zip(*played, strict=True))


@given(output=st.integers(2, 200), longer=st.integers(1, 100), batch=st.integers(1, 64))
@settings(max_examples=40)
def test_longer_answers_never_end_earlier(output, longer, batch):
    timed = step(coefficients=V1)
    asked = limits(max_num_seqs=16, max_num_batched_tokens=2048)
    short = play(timed, asked, [100] * batch, [output] * batch)
    long = play(timed, asked, [100] * batch, [output + longer] * batch)
    assert max(long.done_s) > max(short.done_s)
