"""Intervals: judged by how often they are wrong, on runs whose truth is known."""

from __future__ import annotations

import random
import time
from statistics import stdev

import pytest

from infercli.core.bench import stats
from infercli.core.bench.metrics import quantile, tpot_s, ttft_s
from infercli.core.bench.stats import gap, pooled, resample_quantile, resample_rate
from tests.core.results import served

FROM_NUMPY = {
    1: ("0x1.4b9ad0f953a6ep-2", "0x1.4b9ad0f953a6ep-2", "0x1.4b9ad0f953a6ep-2", "0x1.4b9ad0f953a6ep-2"),
    2: ("0x1.9a8362dc5be9bp-2", "0x1.33ac90b21bb0fp-1", "0x1.4079ec9a99687p-1", "0x1.4ab7cfbafdfb4p-1"),
    7: ("0x1.767727ca98cc2p-2", "0x1.09a205310ddc1p-1", "0x1.0e0092bb8a0b0p-1", "0x1.117f6a5d86fd6p-1"),
    64: ("0x1.12ac4266a19acp-1", "0x1.bd829191f1d5cp-1", "0x1.e4fe939c5b517p-1", "0x1.f84c1b6e9a685p-1"),
    1000: ("0x1.dd5a2d0fd81a4p-2", "0x1.d33de5f60e006p-1", "0x1.e8f9366e1543ap-1", "0x1.fad140bbd47c4p-1"),
}
"""numpy 2.4.6, `float.hex` of `percentile(sample, [50, 90, 95, 99])`, of samples of these sizes drawn in this order."""


def test_percentiles_are_numpys_to_the_last_bit():
    draw = random.Random(7).random
    for size, expected in FROM_NUMPY.items():
        ordered = sorted(draw() for _ in range(size))
        assert tuple(quantile(ordered, q).hex() for q in (0.5, 0.9, 0.95, 0.99)) == expected


def test_a_quantile_takes_ten_values_beyond_it():
    assert [stats.least(q) for q in (0.5, 0.95, 0.99)] == [20, 200, 1000]
    assert stats.enough(200, 0.95)
    assert not stats.enough(199, 0.95)


def test_the_same_runs_give_the_same_interval_and_a_run_beside_itself_shows_nothing():
    sample = [(random.Random(i).random(),) for i in range(100)]
    found = [
        gap(resample_quantile(pooled(sample), 0.5, seed=1), resample_quantile(pooled(sample), 0.5, seed=2))
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert found[0].low < 0 < found[0].high
    assert not found[0].shown


def test_a_redrawn_quantile_is_that_of_the_drawn_blocks():
    # 24 requests of one value each: as many blocks as requests, and every draw is a quantile of 24 of the values.
    # Low and high ones take turns: neighbours are not alike, and the draws are not spread further.
    sample = [(float(i * i if i % 2 else (i + 24) ** 2),) for i in range(24)]
    found = resample_quantile(pooled(sample), 0.5, seed=9)
    assert found.blocks == 24
    draw = random.Random(9).random
    for seen in found.draws[:50]:
        drawn = sorted(sample[int(draw() * 24)][0] for _ in range(24))
        assert seen == pytest.approx(quantile(drawn, 0.5))


def test_a_rate_is_the_amount_by_the_time_and_varies_with_what_its_blocks_held():
    steady = resample_rate([(i + 0.5, 3.0) for i in range(48)], 0.0, 48.0, seed=1)
    assert set(steady.draws) == {3.0}
    bursts = resample_rate([(float(t), 48.0) for t in random.Random(1).sample(range(48), 3)], 0.0, 48.0, seed=1)
    assert min(bursts.draws) < 2.0
    assert max(bursts.draws) > 4.0
    uneven = resample_rate([(i + 0.5, 2.0 + i % 3) for i in range(24)], 0.0, 24.0, seed=1)
    assert (uneven.lowest, uneven.highest) == (2.0, 4.0)


def test_few_blocks_make_the_interval_wider_than_the_normal_distribution_would():
    # Student's t for 11 degrees is 2.2010, times sqrt(12 / 11) 2.2988: below it lies 1.08 % of a normal distribution.
    assert stats._tail(12) == pytest.approx(0.01076, abs=2e-5)
    assert stats._tail(10_000) == pytest.approx(0.025, abs=1e-4)


def wrong(pairs, q) -> float:
    """The share of equal pairs between which a difference is shown, and neither is said to drift."""
    shown = 0
    for a, b in pairs:
        one, other = resample_quantile(pooled(a), q, seed=1), resample_quantile(pooled(b), q, seed=2)
        shown += gap(one, other).shown and not (one.drifts or other.drifts)
    return shown / len(pairs)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "q"), [(30, 0.5), (200, 0.95), (1000, 0.99)])
def test_between_equal_samples_a_difference_is_shown_in_about_one_of_twenty(size, q):
    rng = random.Random(11)
    pairs = [[[(rng.lognormvariate(0, 0.5),) for _ in range(size)] for _ in "ab"] for _ in range(60)]
    assert wrong(pairs, q) <= 0.134  # 8 of 60: at a true 5 % more happen once in 400 times


@pytest.mark.slow
def test_requests_of_one_batch_are_not_taken_for_independent():
    pairs = [
        [[(tpot_s(t),) for t in served(200, 16, 100 * pair + side, memory=0.95, tokens=(30, 60))] for side in (0, 1)]
        for pair in range(40)
    ]
    assert wrong(pairs, 0.5) <= 0.175  # 7 of 40: at a true 5 % once in 300 times

    def alone(sample):
        """The interval of single requests drawn, as if each were served alone."""
        values = [v for (v,) in sample]
        draw = random.Random(1).random
        return sorted(quantile(sorted(values[int(draw() * 200)] for _ in range(200)), 0.5) for _ in range(200))

    shown = 0
    for a, b in pairs:
        differences = sorted(y - x for x, y in zip(alone(a), random.Random(2).sample(alone(b), 200), strict=True))
        shown += not differences[5] <= 0 <= differences[194]
    assert shown >= 12  # 30 %: what the blocks are for


def test_an_engine_that_is_a_fifth_slower_is_told_from_one_that_is_not():
    found = []
    for pair in range(20):
        a, b = served(200, 8, 2 * pair), served(200, 8, 2 * pair + 1, slower=1.2)
        sides = ([(tpot_s(t),) for t in traces] for traces in (a, b))
        one, other = (resample_quantile(pooled(side), 0.5, seed=seed) for side, seed in zip(sides, (1, 2), strict=True))
        found.append(gap(one, other).low > 0)
    assert sum(found) >= 18


def queue(size, load, source):
    """Times in a queue with exponential gaps and services, 20 services a second: neighbours wait for one another."""
    at_s = free_s = 0.0
    times = []
    for _ in range(size):
        at_s += source.expovariate(20 * load)
        free_s = max(at_s, free_s) + source.expovariate(20)
        times.append((free_s - at_s,))
    return times


def told(pairs, q) -> int:
    """Of how many equal pairs a difference is shown that is not doubted."""
    shown = 0
    for a, b in pairs:
        one, other = resample_quantile(pooled(a), q, seed=1), resample_quantile(pooled(b), q, seed=2)
        doubted = one.drifts or other.drifts or one.bursts or other.bursts
        shown += gap(one, other).shown and not doubted
    return shown


@pytest.mark.parametrize(("size", "q"), [(600, 0.95), (1200, 0.99)])
def test_between_equal_queues_no_difference_is_told_of_a_few_bursts(size, q):
    pairs = [[queue(size, 0.8, random.Random(2 * pair + side)) for side in (0, 1)] for pair in range(20)]
    assert told(pairs, q) <= 1  # 5 and 6 with blocks taken for independent of their neighbours


@pytest.mark.slow
def test_between_equal_queues_a_median_is_told_apart_in_about_one_of_twenty():
    pairs = [[queue(600, 0.8, random.Random(2 * pair + side)) for side in (0, 1)] for pair in range(60)]
    assert told(pairs, 0.5) <= 8


@pytest.mark.slow
def test_a_median_that_is_a_twentieth_higher_is_mostly_seen_in_four_hundred_independent_requests():
    rng = random.Random(5)
    pairs = [[[(rng.lognormvariate(shift, 0.18),) for _ in range(400)] for shift in (0, 0.05)] for _ in range(40)]
    assert told(pairs, 0.5) >= 26  # 65 %: 0.05 is 3.1 standard deviations, of which 80 to 85 % are seen


def test_a_run_that_drifts_says_so():
    climbing = [(1.0 + i / 100 + random.Random(i).random() / 10,) for i in range(200)]
    assert resample_quantile(pooled(climbing), 0.5, seed=1).drifts
    level = [(random.Random(i).random(),) for i in range(200)]
    assert not resample_quantile(pooled(level), 0.5, seed=1).drifts


def test_a_p99_of_a_thousand_requests_takes_well_under_a_second_of_cpu():
    sample = [(ttft_s(t),) for t in served(1000, 32, 5)]
    stats._drawn.cache_clear()
    began = time.process_time()
    gap(resample_quantile(pooled(sample), 0.99, seed=1), resample_quantile(pooled(sample), 0.99, seed=2))
    assert time.process_time() - began < 1.0  # 0.15 s where it was written


def test_runs_that_are_equal_to_the_last_bit_show_nothing():
    same = [(0.5,)] * 40
    found = gap(resample_quantile(pooled(same), 0.5, seed=1), resample_quantile(pooled(same), 0.5, seed=2))
    assert (found.low, found.high, found.shown, found.apart) == (0, 0, False, False)


def walk(seed, size=240):
    """Latencies from 0.01 s to seconds, each like the one before."""
    draw, level, found = random.Random(seed), 0.0, []
    for _ in range(size):
        level = 0.98 * level + 0.3 * draw.gauss(0, 1)
        found.append((0.05 * 2.718**level,))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_number_falls_by_more_than_all_of_it(seed):
    """Additive draws of such runs said that a latency falls by 200 % of what it was."""
    slow, fast = walk(seed), [(value / 20,) for (value,) in walk(seed + 100)]
    one, other = resample_quantile(pooled(slow), 0.5, seed=1), resample_quantile(pooled(fast), 0.5, seed=2)
    assert min(one.draws) > 0
    assert -one.point <= gap(one, other).low
    # Bursts of tokens in a run that is mostly idle: some redrawn ones have none at all.
    busy = resample_rate([(i + 0.5, 9.0) for i in (3, 4, 20)], 0.0, 24.0, seed=seed)
    assert min(busy.draws) == 0
    assert gap(busy, resample_rate([(7.5, 1.0)], 0.0, 24.0, seed=seed + 1)).low >= -busy.point


def test_the_interval_of_two_runs_is_that_of_the_same_two_turned_round():
    slow, fast = walk(1), [(value / 2,) for (value,) in walk(2)]
    one, other = resample_quantile(pooled(slow), 0.5, seed=1), resample_quantile(pooled(fast), 0.5, seed=2)
    there, back = gap(one, other), gap(other, one)
    assert 1 + there.low / one.point == pytest.approx(1 / (1 + back.high / other.point), rel=0.02)
    assert 1 + there.high / one.point == pytest.approx(1 / (1 + back.low / other.point), rel=0.02)


def test_runs_are_apart_whichever_is_the_slower_one():
    fast, slow = ([(base + i / 1000,) for i in range(40)] for base in (0.1, 0.9))
    one, other = resample_quantile(pooled(fast), 0.5, seed=1), resample_quantile(pooled(slow), 0.5, seed=2)
    assert gap(one, other).apart
    assert gap(other, one).apart
    busy, idle = (resample_rate([(i + 0.5, much) for i in range(48)], 0.0, 48.0, seed=1) for much in (3.0, 1.0))
    assert (busy.lowest, busy.highest) == (3.0, 3.0)
    assert gap(busy, idle).apart


def test_a_rate_whose_neighbouring_seconds_are_alike_is_spread_further():
    def spread(amounts):
        found = resample_rate([(i + 0.5, much) for i, much in enumerate(amounts)], 0.0, 24.0, seed=1)
        assert not found.drifts
        return stdev(found.draws)

    # In runs of three one of three neighbours differs: a correlation of 1/3, which the mean feels by sqrt(2).
    assert spread([0.0, 0.0, 0.0, 6.0, 6.0, 6.0] * 4) > 1.3 * spread([0.0, 6.0] * 12)


def test_how_alike_neighbours_are_is_corrected_for_the_shortness_of_the_series():
    # 16 of 23 neighbours are equal: (16 - 7) x 0.25 of 24 x 0.25 is 0.375, and (1 + 3 x 0.375) / 24 more.
    alike = 0.375 + 2.125 / 24
    wider, drifts = stats._wider([0.0, 0.0, 0.0, 1.0, 1.0, 1.0] * 4)
    assert (wider, drifts) == (pytest.approx(((1 + alike) / (1 - alike)) ** 0.5), False)


def test_values_are_as_many_independent_ones_as_there_are_at_most():
    assert stats.independent([[0.0, 1.0] * 49 + [1.0, 1.0]], 24)[0] == 100
    assert stats.independent([[0.0] * 50 + [1.0] * 50], 24)[0] < 24  # no more than there are blocks
