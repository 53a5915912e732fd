"""Whose limit a level of load shows."""

from __future__ import annotations

import pytest

from infercli.core.metrics import measure
from infercli.core.self_check import Client, check_client
from infercli.core.traces import Trace

CLIENT = Client(
    infercli_version="1", python="3.11", cpu=None, cpus=2, kernel="6", clock="kernel", pacing="timerfd", workers=1,
    wall_s=5.0, cpu_s=0.5, busiest_cpu_fraction=0.1, reads=1, unstamped_reads=0, reconnects=0,
)  # fmt: skip


def metrics(*, lag_s=0.0, late_s=0.0, gap_s=0.01, e2e_s=1.0, **more):
    """One answer of three tokens, `gap_s` apart, the last `e2e_s` after it was sent."""
    arrivals = (e2e_s - 2 * gap_s, e2e_s - gap_s, e2e_s)
    fields = {"request": 0, "conversation": 0, "intended_s": 0.0, "sent_s": 0.0, "ended_s": e2e_s, "status": 200}
    fields |= {"arrivals_s": arrivals, "frames": (1, 1, 1), "lags_s": (lag_s,) * 3, "late_s": late_s}
    return measure([Trace(**{**fields, **more})])


@pytest.mark.parametrize(
    ("measured", "closed", "limited"),
    [
        (metrics(lag_s=0.004), True, False),
        (metrics(lag_s=0.006), True, True),
        (metrics(lag_s=0.02, gap_s=0.05), True, False),  # half of a gap of 50 ms is 25
        (metrics(late_s=0.012), False, True),  # an open loop sends when it is due
        (metrics(late_s=0.012), True, False),  # a twentieth of a second is 50 ms
        (metrics(late_s=0.06), True, True),
        (metrics(late_s=0.012, e2e_s=0.1), True, True),  # a twentieth of 0.1 s is 5 ms, and 10 are allowed
    ],
)
def test_lateness_is_judged_by_what_it_would_change(measured, closed, limited):
    assert check_client(CLIENT, measured, closed=closed).client_limited is limited


def test_a_worker_that_has_no_time_left_is_the_limit():
    busy = CLIENT.model_copy(update={"busiest_cpu_fraction": 0.95})
    found = check_client(busy, metrics(), closed=True)
    assert found.client_limited is True
    assert "95% of a core" in found.reasons[0]
    # 0.5 s of CPU for three tokens.
    assert found.cpu_us_per_token == pytest.approx(500_000 / 3)


@pytest.mark.parametrize(("fraction", "limited"), [(0.05, False), (0.5, True)])
def test_a_worker_that_merged_tokens_to_keep_up_is_the_limit(fraction, limited):
    found = check_client(CLIENT.model_copy(update={"crowded_fraction": fraction}), metrics(), closed=True)
    assert found.client_limited is limited
    assert ("short of CPU for 50% of the time" in " ".join(found.reasons)) is limited


def test_without_kernel_times_or_answers_nobody_knows():
    blind = CLIENT.model_copy(update={"clock": "user", "clock_reason": "with TLS the kernel sees records"})
    found = check_client(blind, metrics(), closed=True)
    assert found.client_limited is None
    assert "TLS" in found.reasons[0]
    assert check_client(CLIENT, metrics(error="timeout"), closed=True).client_limited is None
