"""The steady state in closed form beside the one that is played, the highest rate, and samples of lengths."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.speed.coefficients import V0, V1
from infercli.core.speed.samples import Lengths, sample_arrivals_s, sample_lengths, sample_whole_lengths
from infercli.core.speed.schedule import play
from infercli.core.speed.steady import highest_rate, most_running, steady
from tests.core.speed.engines import NOW, limits, step


def test_samples_have_their_mean_and_are_the_same_every_time():
    for lengths in (Lengths(300), Lengths(300, 0.5), Lengths(300, 1.0, "skewed")):
        values = sample_lengths(lengths, 200, seed=1)
        assert sum(values) / 200 == pytest.approx(300, rel=1e-6)
        assert values == sample_lengths(lengths, 200, seed=1)
    assert max(sample_lengths(Lengths(300, 0.5), 200, seed=1)) < 450
    gaps = sample_arrivals_s(4.0, 1000, seed=1)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(250, rel=0.01)


@given(
    mean=st.floats(1, 500),
    spread=st.floats(0, 2),
    shape=st.sampled_from(["uniform", "skewed"]),
    count=st.integers(50, 400),
)
@settings(max_examples=60)
def test_whole_lengths_keep_their_mean_and_none_is_below_one(mean, spread, shape, count):
    lengths = Lengths(mean, spread, shape)
    values = sample_whole_lengths(lengths, count, seed=2)
    assert all(v >= 1 and v == int(v) for v in values)
    assert sum(values) == pytest.approx(mean * count, abs=0.51)
    # Each is as long as the fraction that it stands for, or makes up for shorter ones that were given a whole token.
    if spread < 1 and mean * (1 - spread) >= 1 and shape == "uniform":
        assert all(abs(v - f) <= 1 for v, f in zip(values, sample_lengths(lengths, count, seed=2), strict=True))


def test_the_closed_form_agrees_with_the_played_steady_state():
    timed, asked = step(coefficients=V1), limits(max_num_seqs=64, max_num_batched_tokens=8192)
    closed = steady(timed, asked, 500, 200, 32)
    played = play(timed, asked, [500] * 320, sample_lengths(Lengths(200, 0.3), 320, 1), concurrency=32)
    taken = sum(d - s for d, s in zip(played.done_s, played.sent_s, strict=True)) / 320
    assert closed.requests_per_s == pytest.approx(32 / taken, rel=0.1)


def test_the_closed_form_knows_prompts_that_take_more_than_a_step_has_left():
    timed, asked = step(coefficients=V1), limits(max_num_seqs=32, max_num_batched_tokens=512)
    closed = steady(timed, asked, 500, 20, 32)
    played = play(timed, asked, [500] * 640, sample_lengths(Lengths(20, 0.3), 640, 1), concurrency=32)
    assert closed.requests_per_s == pytest.approx(640 / max(played.done_s), rel=0.15)


@pytest.mark.parametrize("running", [1, 4, 32])
@pytest.mark.parametrize(("prompt", "output"), [(4000, 100), (1000, 200), (8000, 8), (500, 1), (16, 4)])
def test_the_closed_form_computes_a_prompt_in_few_steps_and_leaves_the_others_without(prompt, output, running):
    timed, asked = step(coefficients=V1), limits(max_num_seqs=running, max_num_batched_tokens=8192)
    outputs = sample_whole_lengths(Lengths(output, 0.3), 1000, 1)
    played = play(timed, asked, [prompt] * 1000, outputs)
    closed = steady(timed, asked, prompt, output, running)
    assert closed.requests_per_s == pytest.approx(1000 / max(played.done_s), rel=0.03)


@pytest.mark.parametrize(("prompt", "output", "running"), [(500, 1, 32), (500, 200, 32), (8000, 8, 4), (500, 2, 256)])
def test_the_closed_form_of_whole_prompts_lets_those_share_a_step_that_begin_together(prompt, output, running):
    timed = step(coefficients=V0, runtime=NOW._replace(v0=True, asynchronous=False))
    asked = limits(max_num_seqs=running, max_num_batched_tokens=8192, chunked_prefill=False)
    played = play(timed, asked, [prompt] * 2000, sample_whole_lengths(Lengths(output, 0.3), 2000, 1))
    closed = steady(timed, asked, prompt, output, running)
    assert closed.requests_per_s == pytest.approx(2000 / max(played.done_s), rel=0.05)


def test_where_prompts_fill_every_step_a_token_takes_one_of_them_however_many_want_to_run():
    timed, asked = step(coefficients=V1), limits(max_num_seqs=256, max_num_batched_tokens=2048)
    closed = steady(timed, asked, 5600, 9, 256)
    full_s = timed(3, 3 * 5600, 2045, 2045 * 2800, 0.4)
    assert closed.step_s == pytest.approx(full_s, rel=0.01)
    played = play(timed, asked, [5600] * 300, [9] * 300)
    assert closed.requests_per_s == pytest.approx(300 / max(played.done_s), rel=0.03)


@pytest.mark.parametrize("tokens", [1.0, 2.0])
def test_in_the_closed_form_as_many_are_answered_as_run_for_as_long_as_their_tokens_take(tokens):
    closed = steady(step(coefficients=V1), limits(max_num_batched_tokens=8192), 500, 200, 8, tokens_per_step=tokens)
    first_s = tokens * closed.step_s  # of each answer comes with its prompt
    assert closed.requests_per_s * (199 * closed.step_s + first_s) == pytest.approx(8)


@given(running=st.integers(1, 200), prompt=st.integers(10, 4000), output=st.integers(10, 1000))
@settings(max_examples=100)
def test_more_users_never_get_more_tokens_each(running, prompt, output):
    timed, asked = step(coefficients=V1), limits(max_num_seqs=256, max_num_batched_tokens=8192)
    one, more = (steady(timed, asked, prompt, output, n) for n in (running, running + 1))
    assert more.step_s >= one.step_s * (1 - 1e-9)


def test_the_room_for_half_grown_answers_limits_who_runs():
    assert most_running(limits(max_num_seqs=64, kv_tokens=6000), 100, 100) == 40
    assert most_running(limits(max_num_seqs=16, kv_tokens=6000), 100, 100) == 16


def test_the_highest_rate_is_found_between_what_keeps_and_what_breaks():
    assert highest_rate(lambda rate: rate <= 3.0, 10.0) == pytest.approx(3.0, abs=0.1)
    assert highest_rate(lambda rate: False, 10.0) == 0
    assert highest_rate(lambda rate: True, 10.0) == 10.0
    assert highest_rate(lambda rate: rate <= 70, 10.0, 200) == pytest.approx(70, abs=0.4)  # 40 to 80, halved 7 times
    assert highest_rate(lambda rate: rate <= 190, 10.0, 200) == pytest.approx(190, abs=0.4)  # 160 to 200
    assert highest_rate(lambda rate: True, 10.0, 5) == 10.0


def test_that_a_load_that_ends_is_kept_at_any_rate_takes_two_looks():
    looks = []
    assert highest_rate(lambda rate: looks.append(rate) or True, 0.25, 1_000_000) == 1_000_000
    assert looks == [0.25, 1_000_000]
