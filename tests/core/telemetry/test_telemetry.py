"""What a report may say of GPUs, by hand-made samples: every expected number is worked out beside its assertion."""

from __future__ import annotations

import pytest

from infercli.core.telemetry.gpus import (
    GpuSamples,
    Telemetry,
    clock_event_words,
    energy_between,
    gpu_telemetry,
    summarise,
    together,
)

SECONDS = [0.0, 1.0, 2.0, 3.0, 4.0]


def samples(energy_mj, at_s=SECONDS):
    none = ()
    return GpuSamples(
        at_s=tuple(at_s), memory_used_bytes=none, power_w=none, busy_fraction=none, sm_clock_mhz=none,
        temperature_c=none, energy_mj=tuple(energy_mj),
    )  # fmt: skip


def gpu(rows, why=None, at_s=SECONDS, **known):
    known = {"name": "NVIDIA Test", "memory_total_bytes": 80, "xids": (), **known}
    return gpu_telemetry(0, at_s[: len(rows)], rows, why or {}, **known)


def of(*gpus):
    return Telemetry(interval_s=1, window_s=4, driver_version="580", gpus=gpus)


def summary(rows, start_s=0.0, end_s=4.0, why=None, **known):
    return summarise(of(gpu(rows, why, **known)), start_s=start_s, end_s=end_s).gpus[0]


def test_energy_is_the_difference_of_the_counter():
    # 100 W for four seconds, counted from 5 kJ on.
    assert energy_between(samples([5_000_000, 5_100_000, 5_200_000, 5_300_000, 5_400_000])).joules == pytest.approx(400)


def test_energy_of_a_part_lies_on_straight_lines_between_the_readings():
    # 100 W in the first second, 300 W in the second, 100 W after that. From 0.5 to 1.5 s: 50 J and 150 J.
    counter = samples([0, 100_000, 400_000, 500_000, 600_000])
    assert energy_between(counter, 0.5, 1.5).joules == pytest.approx(200)


@pytest.mark.parametrize(
    ("counter", "why"),
    [
        ([9000, 9100, 9200, 100, 9900], "backwards"),  # it passed its old value again: the ends alone would not show it
        ([2**64 - 500, 2**64 - 100, 300, 700, 1100], "wrapped"),
        ([7, 7, 7, 7, 7], "did not move"),
        ([None, None, None, None, None], "never read"),
        ([None, 100, None, None, None], "did not move"),
    ],
)
def test_a_counter_that_cannot_be_trusted_gives_no_energy_and_says_why(counter, why):
    joules, reason = energy_between(samples(counter))
    assert joules is None
    assert why in reason


def test_energy_is_not_known_where_the_counter_was_not_read():
    counter = samples([0, 100_000, 200_000, None, None])
    assert energy_between(counter, 0, 2).joules == pytest.approx(200)
    assert energy_between(counter, 0, 4) == (None, "the counter is known for 2.0 s of 4.0 s")
    assert energy_between(counter, 3, 4) == (None, "the counter is known for 0.0 s of 1.0 s")
    assert energy_between(counter, 1, 1) == (None, "the counter is known for 0.0 s of 0.0 s")


def test_a_twentieth_of_the_window_may_lie_outside_the_readings():
    # 100 W from 0 to 4 s; the window of 4.2 s is taken to go on like that: 420 J.
    counter = samples([0, 100_000, 200_000, 300_000, 400_000])
    assert energy_between(counter, 0, 4.2).joules == pytest.approx(420)
    assert energy_between(counter, 0, 4.3).joules is None


def test_an_exporter_that_repeats_itself_is_read_at_its_new_readings():
    # 100 W; the exporter reads every 2 s and is asked every second. Straight lines: 300 J from 0 to 3 s.
    counter = samples([0, 0, 200_000, 200_000, 400_000])
    assert energy_between(counter, 0, 3).joules == pytest.approx(300)
    # Its last new reading is at 2 s: what came after that, nobody knows.
    assert energy_between(samples([0, 0, 200_000, 200_000, 200_000])) == (
        None,
        "the counter is known for 2.0 s of 4.0 s",
    )


def test_a_counter_that_never_answered_is_absent_and_one_that_stopped_has_gaps():
    rows = [{"power_w": 70.0, "temperature_c": 50}, {"power_w": 71.0}, {"power_w": 72.0}]
    one = gpu(rows, {"gpu": "GPU is lost"})
    assert one.samples.power_w == (70.0, 71.0, 72.0)
    assert one.samples.temperature_c == (50, None, None)
    assert one.gaps == {"temperature_c": "GPU is lost"}
    assert one.samples.busy_fraction == ()
    assert one.absent["busy_fraction"] == "GPU is lost"
    assert "power_w" not in one.absent | one.gaps


def test_memory_without_a_sensor_is_not_at_zero_degrees():
    rows = [{"memory_temperature_c": 0}] * 3
    assert gpu(rows).samples.memory_temperature_c == ()
    assert "no sensor" in gpu(rows).absent["memory_temperature_c"]
    assert gpu([{"memory_temperature_c": 0}, {"memory_temperature_c": 1}]).samples.memory_temperature_c == (0, 1)


def test_columns_are_of_one_length():
    with pytest.raises(ValueError, match="energy_mj"):
        samples([1, 2])


def test_clock_events_become_words_and_idling_is_none():
    assert clock_event_words(0) == clock_event_words(0x1) == ()
    assert clock_event_words(0x1 | 0x4 | 0x40) == ("power cap", "thermal slowdown (hardware)")
    assert clock_event_words(1 << 20) == ("0x100000",)


def test_a_summary_takes_the_samples_of_its_window():
    rows = [
        {"power_w": p, "memory_used_bytes": m, "busy_fraction": b, "clock_events": e, "temperature_c": c}
        for p, m, b, e, c in (
            (10, 90, 0.0, 1, 90),
            (300, 50, 1.0, 4, 40),
            (500, 60, 0.8, 4, 61),
            (400, 70, 0.9, 0, 52),
            (20, 95, 0.0, 1, 30),
        )
    ]
    s = summary(rows, 1.0, 3.0)
    assert s.samples == 3
    assert (s.mean_power_w, s.max_power_w) == (400, 500)  # (300 + 500 + 400) / 3
    assert s.memory_peak_bytes == 70
    assert s.busy_fraction == pytest.approx(0.9)  # (1.0 + 0.8 + 0.9) / 3
    assert s.clock_events == {"power cap": pytest.approx(2 / 3)}
    assert s.max_temperature_c == 61


def test_what_a_summary_lacks_has_the_drivers_reason():
    s = summary(
        [{"power_w": 1.0}] * 5, why={"sm_active_fraction": "Not Supported", "energy_mj": "Insufficient Permissions"}
    )
    assert (s.sm_active_fraction, s.energy_j, s.clock_events) == (None, None, None)
    assert s.absent["sm_active_fraction"] == "Not Supported"
    assert s.absent["energy_j"] == "Insufficient Permissions"
    assert s.absent["clock_events"] == "it was never read"


def test_a_window_between_two_samples_says_so():
    s = summary([{"power_w": 1.0}] * 5, 1.2, 1.8)
    assert s.mean_power_w is None
    assert s.absent["mean_power_w"] == "no sample in these 0.6 s"


def test_a_gpu_that_was_lost_says_so_where_its_numbers_end():
    rows = [{"energy_mj": 100_000 * n, "power_w": 100.0} for n in range(3)] + [{}, {}]
    s = summary(rows, 0, 4, {"gpu": "GPU is lost"})
    assert s.mean_power_w == 100
    assert s.absent["energy_j"] == "the counter is known for 2.0 s of 4.0 s (GPU is lost)"


def test_memory_errors_are_those_of_the_window():
    rows = [{"ecc_corrected": n, "ecc_uncorrected": 0} for n in (4, 4, 5, 7, 9)]
    s = summary(rows, 1.0, 3.0)
    assert (s.ecc_corrected, s.ecc_uncorrected) == (3, 0)  # from 4 to 7
    backwards = summary([{"ecc_corrected": n} for n in (4, 5, 0, 6, 7)])
    assert backwards.ecc_corrected is None
    assert "backwards" in backwards.absent["ecc_corrected"]


def test_xids_of_the_window_and_none_where_they_were_not_watched():
    xids = ({"at_s": 0.5, "code": 43}, {"at_s": 2.0, "code": 79})
    assert summary([{}] * 5, 1.0, 3.0, xids=xids).xids == (79,)
    assert summary([{}] * 5, xids=()).xids == ()
    unwatched = summary([{}] * 5, why={"xids": "Not Supported"}, xids=None)
    assert (unwatched.xids, unwatched.absent["xids"]) == (None, "Not Supported")


def test_joules_per_output_token_are_of_all_gpus():
    # 100 W and 300 W for 4 s: 1600 J, over 800 tokens.
    two = [gpu([{"energy_mj": watts * 1000 * n} for n in range(5)]) for watts in (100, 300)]
    total = summarise(of(*two), start_s=0, end_s=4, output_tokens=800)
    assert (total.energy_j, total.joules_per_output_token) == (pytest.approx(1600), pytest.approx(2.0))
    assert total.absent == {}


def test_joules_per_output_token_need_every_gpu_and_a_token():
    good = gpu([{"energy_mj": 1000 * n} for n in range(5)])
    bad = gpu([{}] * 5, {"energy_mj": "Not Supported"})
    mixed = summarise(of(good, bad), start_s=0, end_s=4, output_tokens=800)
    assert (mixed.energy_j, mixed.joules_per_output_token) == (None, None)
    assert mixed.absent["joules_per_output_token"] == "GPU 0: Not Supported"
    without = summarise(of(good), start_s=0, end_s=4)
    assert (without.energy_j, without.joules_per_output_token) == (pytest.approx(4), None)
    assert without.absent == {"joules_per_output_token": "no output tokens were counted"}
    assert summarise(of(), start_s=0, end_s=4).absent["energy_j"] == "no GPU was watched"


def exporter(address, *gpus, driver="580", **known):
    return Telemetry(source=address, interval_s=1, window_s=4, driver_version=driver, gpus=gpus, **known)


def test_two_exporters_are_each_its_machines_and_a_gpu_that_both_show_is_one():
    a, b, c = (gpu([{}], host=h, uuid=u) for h, u in (("n1", "GPU-a"), ("n2", "GPU-b"), ("n1", "GPU-c")))
    both = together((exporter("one", a, c), exporter("two", a, b, driver=None, ended_early="it went away")))
    assert [g.uuid for g in both.gpus] == ["GPU-a", "GPU-c", "GPU-b"]
    assert (both.source, both.driver_version, both.ended_early) == ("one, two", "580", "two: it went away")
    nameless = together((exporter("one", gpu([{}])), exporter("two", gpu([{}]), driver="575")))
    assert (len(nameless.gpus), nameless.driver_version) == (
        2,
        "580, 575",
    )  # without a UUID nobody can say that it is one
    assert together((exporter("one", a, driver=None), exporter("two", b, driver=None))).driver_version is None


def test_one_exporter_is_itself_and_none_is_nothing():
    one = exporter("one", gpu([{}]))
    assert together((one,)) is one
    assert together(()) is None
