"""The Pareto front of a search, and its plot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infercli.core.choice.frontier import plot, undominated
from infercli.core.choice.selection import Candidate, Cost, Point
from infercli.core.estimates.answer import Interval


def point(x: float, y: float) -> Point:
    candidate = Candidate(
        profile="p", gpu="L4", tensor_parallel_size=1, pipeline_parallel_size=1, replicas=1, quantization="none",
        kv_cache_dtype="auto", max_num_seqs=256,
    )  # fmt: skip
    cost = Cost(low_usd_per_h=1, median_usd_per_h=1, high_usd_per_h=1, quotes=1)
    return Point(
        candidate=candidate, cost=cost, tokens_per_s_per_user=Interval(value=x, low=x, high=x),
        tokens_per_s_per_usd_h=y, holds="at the estimate",
    )  # fmt: skip


points = st.lists(st.builds(point, st.integers(1, 9).map(float), st.integers(1, 9).map(float)), min_size=1)


@given(points)
def test_the_front_is_all_that_is_not_dominated(given_points):
    def places(found):
        return {(p.tokens_per_s_per_user.value, p.tokens_per_s_per_usd_h) for p in found}

    every = places(given_points)
    best = {(x, y) for x, y in every if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in every)}
    front = undominated(given_points)
    assert places(front) == best
    assert len(front) == len(best)


@given(st.lists(st.builds(point, st.floats(0.01, 9e4), st.floats(0.01, 9e4)), min_size=1, max_size=40))
def test_a_plot_is_plain_and_narrow_and_has_every_point(given_points):
    front = undominated(given_points)
    lines = plot(front)
    assert all(len(line) < 80 and line.isascii() and line.isprintable() for line in lines)
    letters = {c for line in lines[1:-3] for c in line.split("|")[1] if c != " "}
    assert letters <= {"abcdefghijklmnopqrstuvwxyz*"[min(i, 26)] for i in range(len(front))}
    assert "a" in letters
