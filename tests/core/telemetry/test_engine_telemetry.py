"""Differences between scrapes, by texts written here: every expected number is worked out beside its assertion."""

from __future__ import annotations

import pytest

from infercli.core.engines.metrics import ROWS, ray_name
from infercli.core.telemetry.engine import Histogram, engine_telemetry, is_engine
from infercli.core.telemetry.exposition import Scrape, parse


def text(prefix="vllm:", labels='engine="0",model_name="m"', **values):
    """`running=3` -> `vllm:num_requests_running{engine="0",model_name="m"} 3`, under the names of 0.29."""
    names = {
        "running": "num_requests_running",
        "waiting": "num_requests_waiting",
        "kv": "kv_cache_usage_perc",
        "preemptions": "num_preemptions_total",
        "queries": "prefix_cache_queries_total",
        "hits": "prefix_cache_hits_total",
        "prompt": "prompt_tokens_total",
        "generation": "generation_tokens_total",
    }
    return "".join(f"{prefix}{names[key]}{{{labels}}} {value}\n" for key, value in values.items())


def ttft(counts, total, labels='engine="0"', name="vllm:time_to_first_token_seconds", edges=("0.1", "0.5", "+Inf")):
    """A histogram by its cumulative counts."""
    rows = [f'{name}_bucket{{{labels},le="{edge}"}} {count}' for edge, count in zip(edges, counts, strict=True)]
    return "\n".join([*rows, f"{name}_sum{{{labels}}} {total}", f"{name}_count{{{labels}}} {counts[-1]}"]) + "\n"


def measured(*texts):
    scrapes = [
        Scrape(float(n), None, t.reason) if isinstance(t, Failed) else Scrape(float(n), parse(t), None)
        for n, t in enumerate(texts)
    ]
    return engine_telemetry("http://127.0.0.1:8000/metrics", scrapes, interval_s=1.0)


class Failed:
    def __init__(self, reason):
        self.reason = reason


def test_gauges_over_time_and_counters_as_differences():
    told = measured(
        text(running=0, waiting=0, kv=0.0, preemptions=1, queries=1000, hits=100, prompt=500, generation=2000),
        text(running=8, waiting=3, kv=0.75, preemptions=1, queries=1800, hits=500, prompt=900, generation=2500),
        text(running=0, waiting=0, kv=0.5, preemptions=3, queries=2000, hits=600, prompt=1100, generation=3500),
    )
    assert told.samples.at_s == (0.0, 1.0, 2.0)
    assert (told.samples.running, told.samples.waiting) == ((0, 8, 0), (0, 3, 0))
    assert told.samples.kv_cache_usage_fraction == (0.0, 0.75, 0.5)
    assert (told.preemptions, told.prompt_tokens, told.generation_tokens) == (2, 600, 1500)
    assert (told.prefix_cache_query_tokens, told.prefix_cache_hit_tokens) == (1000, 500)
    assert told.prefix_cache_hit_fraction == 0.5
    assert (told.start_s, told.end_s, told.scrapes, told.failed_scrapes) == (0.0, 2.0, 3, 0)
    assert told.names["generation_tokens"] == "vllm:generation_tokens_total"
    assert told.notes == ()


def test_engines_behind_one_address_are_added_and_the_fullest_cache_counts():
    def both(first, second):
        return text(labels='engine="0"', **first) + text(labels='engine="1"', **second)

    told = measured(
        both({"running": 2, "kv": 0.2, "generation": 10}, {"running": 3, "kv": 0.9, "generation": 100}),
        both({"running": 4, "kv": 0.4, "generation": 15}, {"running": 5, "kv": 0.1, "generation": 107}),
    )
    assert told.samples.running == (5, 9)
    assert told.samples.kv_cache_usage_fraction == (0.9, 0.4)
    assert told.generation_tokens == 12  # 5 + 7


def test_finished_requests_by_their_reason():
    def done(stop, length):
        name = "vllm:request_success_total"
        return f'{name}{{finished_reason="stop"}} {stop}\n{name}{{finished_reason="length"}} {length}\n'

    assert measured(done(5, 2), done(25, 2)).finished == {"length": 0, "stop": 20}


def test_a_metric_that_is_not_there_is_none_and_says_since_when_it_is():
    told = measured(text(running=1), text(running=1))
    assert told.preemptions is None
    assert told.prefix_cache_hit_fraction is None
    assert told.absent["preemptions"] == "vllm:num_preemptions_total is not there; vLLM has it since 0.8"
    assert told.samples.waiting == (None, None)
    assert "num_requests_waiting" in told.absent["waiting"]
    assert "running" not in told.absent


def test_names_of_older_versions_that_mean_the_same_are_read():
    name = "vllm:time_per_output_token_seconds"
    old = 'vllm:gpu_cache_usage_perc{engine="0"} 0.5\n'
    told = measured(old + ttft([1, 1, 1], 0.05, name=name), old + ttft([3, 4, 4], 0.45, name=name))
    assert told.samples.kv_cache_usage_fraction == (0.5, 0.5)
    assert (told.itl_s.counts, told.itl_s.sum_s) == ((2, 1, 0), pytest.approx(0.4))
    assert told.names["itl_s"] == name
    # What was called time per output token were times between tokens: it is no TPOT.
    assert told.tpot_s is None


def test_prefix_counters_that_counted_blocks_in_some_versions_are_not_taken_for_tokens():
    old = 'vllm:gpu_prefix_cache_queries_total{engine="0"} 9\n'
    assert measured(old + text(running=1), old + text(running=1)).prefix_cache_query_tokens is None


def test_a_counter_that_was_reset_is_not_known_even_when_it_has_passed_its_old_value():
    told = measured(text(generation=100), text(generation=7), text(generation=300))
    assert told.generation_tokens is None
    assert told.absent["generation_tokens"] == (
        "vllm:generation_tokens_total went backwards 1.0 s after the start: the engine began anew"
    )


def test_what_is_no_number_is_not_taken_for_an_engine_that_began_anew():
    bad = text(generation=100).replace("100", "NaN")
    told = measured(bad, text(generation=300))
    assert told.absent["generation_tokens"] == "vllm:generation_tokens_total was no number 0.0 s after the start"


def test_a_series_that_vanishes_is_not_a_smaller_number():
    told = measured(text(generation=100), text(running=1), text(generation=300))
    assert told.generation_tokens is None
    assert "was gone 1.0 s after the start" in told.absent["generation_tokens"]


def test_a_series_that_appears_during_the_run_counts_from_nothing():
    first = text(labels='engine="0"', generation=100)
    told = measured(first, first + text(labels='engine="1"', generation=40))
    assert told.generation_tokens == 40


def test_a_second_process_behind_the_address_makes_every_difference_unknown():
    def of(start, generation):
        return f"process_start_time_seconds {start}\n" + text(generation=generation, running=1)

    told = measured(of(1000.5, 10), of(1000.5, 20))
    assert told.generation_tokens == 10
    told = measured(of(1000.5, 10), of(2000.5, 20))
    assert told.generation_tokens is None
    assert "several processes answered" in told.absent["generation_tokens"]
    assert told.samples.running == (1, 1)
    assert told.notes == ("several processes answered: each sample is of one of them",)


def test_a_scrape_that_failed_in_between_is_a_gap_and_at_an_end_the_end_of_differences():
    middle = measured(text(generation=1, running=1), Failed("HTTP 500"), text(generation=5, running=3))
    assert (middle.generation_tokens, middle.samples.running, middle.failed_scrapes) == (4, (1, None, 3), 1)
    last = measured(text(generation=1, running=1), text(generation=5, running=3), Failed("it answered HTTP 500"))
    assert last.generation_tokens is None
    assert last.absent["generation_tokens"] == "the scrape after the load failed: it answered HTTP 500"
    assert last.samples.running == (1, 3, None)


def test_no_answer_at_all_is_the_reason_for_everything():
    told = measured(Failed("cannot be reached"), Failed("cannot be reached"))
    assert set(told.absent) == set(ROWS)
    assert set(told.absent.values()) == {"cannot be reached"}
    assert (told.start_s, told.end_s) == (None, None)


def test_a_bad_line_costs_its_own_metric_and_is_the_reason():
    bad = 'vllm:num_preemptions_total{engine="0"} ten\n'
    told = measured(bad + text(generation=1), bad + text(generation=3))
    assert told.generation_tokens == 2
    assert told.absent["preemptions"] == "line 1 is without a number: " + bad.strip()
    late = measured(text(preemptions=1, generation=1), bad + text(generation=3))
    assert late.absent["preemptions"].startswith("line 1 is without a number")


def test_a_gauge_that_is_no_number_is_a_gap():
    told = measured(text(kv="NaN", generation=1), text(kv=0.5, generation=2))
    assert told.samples.kv_cache_usage_fraction == (None, 0.5)
    assert measured(text(generation="NaN"), text(generation=2)).generation_tokens is None


def test_histograms_are_the_differences_of_their_buckets():
    # Before: 2 under 0.1 s, 3 up to 0.5 s, 1 above. After: 10, 4 and 3 of them.
    told = measured(ttft([2, 5, 6], 4.0), ttft([10, 14, 17], 9.5))
    assert told.ttft_s.edges_s == (0.1, 0.5)
    assert told.ttft_s.counts == (8, 1, 2)
    assert (told.ttft_s.count, told.ttft_s.sum_s, told.ttft_s.mean_s) == (11, 5.5, 0.5)


def test_histograms_of_several_engines_are_pooled_where_they_share_their_buckets():
    before = ttft([0, 0, 0], 0, 'engine="0"') + ttft([0, 0, 0], 0, 'engine="1"')
    after = ttft([1, 2, 2], 0.5, 'engine="0"') + ttft([4, 4, 5], 2.5, 'engine="1"')
    told = measured(before, after)
    assert (told.ttft_s.counts, told.ttft_s.sum_s) == ((5, 1, 1), 3.0)
    other = ttft([4, 4, 5], 2.5, 'engine="1"', edges=("0.2", "0.5", "+Inf"))
    apart = measured(ttft([0, 0, 0], 0) + other, ttft([1, 1, 1], 0) + other)
    assert apart.ttft_s is None
    assert "do not share the buckets" in apart.absent["ttft_s"]


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (ttft([3, 2, 3], 1.0), "do not add up"),
        (ttft([1, 2], 1.0, edges=("0.1", "0.5")), "lacks its last bucket"),
        (ttft([2], 1.0, edges=("+Inf",)), "has no bucket but the last"),
        ('vllm:time_to_first_token_seconds_bucket{engine="0"} 3\n', "a bucket without an edge"),
    ],
)
def test_a_histogram_that_is_none_says_why(after, why):
    before = after.replace(" 3", " 0").replace(" 2", " 0").replace(" 1\n", " 0\n").replace(" 1.0", " 0.0")
    told = measured(before + text(running=1), after + text(running=1))
    assert told.ttft_s is None
    assert why in told.absent["ttft_s"]


def test_rays_exporter_is_read_under_its_own_names_and_without_sums():
    # As Ray 2.60's exporter prints them.
    said = 'ReplicaId="abc",engine="0",model_name="m",otel_scope_name="ray"'
    name = "ray_vllm_time_to_first_token_seconds"
    told = measured(
        text("ray_vllm_", said, running=2, generation=5) + ttft([1, 1, 1], 0.05, said, name),
        text("ray_vllm_", said, running=4, generation=9) + ttft([3, 4, 4], 0.9, said, name),
    )
    assert (told.samples.running, told.generation_tokens) == ((2, 4), 4)
    assert (told.ttft_s.counts, told.ttft_s.sum_s, told.ttft_s.mean_s) == ((2, 1, 0), None, None)
    assert told.names["running"] == "ray_vllm_num_requests_running"
    assert "every 10 s" in told.notes[0]
    assert "Ray's exporter once it has counted" in told.absent["preemptions"]
    assert ray_name("vllm:num_requests_running") == "ray_vllm_num_requests_running"


def test_who_is_an_engine():
    assert is_engine(parse(text(running=1)))
    assert is_engine(parse("ray_vllm_num_requests_running 1"))
    assert is_engine(parse("vllm:num_requests_running broken line"))
    assert not is_engine(parse("process_start_time_seconds 1\nDCGM_FI_DEV_GPU_UTIL 3"))


def test_a_histogram_has_one_more_count_than_edges_and_ascends():
    for edges, counts in (((0.1, 0.5), (1, 2)), ((0.5, 0.1), (1, 2, 3)), ((), (1,))):
        with pytest.raises(ValueError, match="edges_s"):
            Histogram(edges_s=edges, counts=counts, sum_s=None)
