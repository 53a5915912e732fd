"""What vLLM's counters are called, in which versions. Only names that mean the same as today's are here.

Sources: `vllm/v1/metrics/loggers.py` as it was between 0.8 and 0.12, and of 0.29.0 (installed); renamings by
vllm-project/vllm#18354 (the `gpu_` names), #24015 and #24110 (ITL and TPOT), removals by #29330. Rows begin with 0.8,
the first version whose default is the engine that these names are of.
"""

from __future__ import annotations

from typing import NamedTuple


class MetricName(NamedTuple):
    """One name; a histogram's without `_bucket`, `_sum` and `_count`."""

    name: str
    since: str
    until: str | None = None
    """The last version that shows it unasked; None: it is still there."""


GAUGES: dict[str, tuple[MetricName, ...]] = {
    "running": (MetricName("vllm:num_requests_running", "0.8"),),
    "waiting": (MetricName("vllm:num_requests_waiting", "0.8"),),
    "kv_cache_usage_fraction": (
        MetricName("vllm:kv_cache_usage_perc", "0.9.2"),  # a fraction, whatever its name says
        MetricName("vllm:gpu_cache_usage_perc", "0.8", "0.10"),
    ),
}
COUNTERS: dict[str, tuple[MetricName, ...]] = {
    "preemptions": (MetricName("vllm:num_preemptions_total", "0.8"),),
    # Their `gpu_` forebears counted blocks at first and tokens later, under one name: not to be read.
    "prefix_cache_query_tokens": (MetricName("vllm:prefix_cache_queries_total", "0.9.2"),),
    "prefix_cache_hit_tokens": (MetricName("vllm:prefix_cache_hits_total", "0.9.2"),),
    "prompt_tokens": (MetricName("vllm:prompt_tokens_total", "0.8"),),
    "generation_tokens": (MetricName("vllm:generation_tokens_total", "0.8"),),
}
FINISHED: tuple[MetricName, ...] = (MetricName("vllm:request_success_total", "0.8"),)
"""One series per `finished_reason`."""
HISTOGRAMS: dict[str, tuple[MetricName, ...]] = {
    "ttft_s": (MetricName("vllm:time_to_first_token_seconds", "0.8"),),
    "itl_s": (
        MetricName("vllm:inter_token_latency_seconds", "0.10.2"),
        # What it was called while it was mistaken for TPOT.
        MetricName("vllm:time_per_output_token_seconds", "0.8", "0.11"),
    ),
    "tpot_s": (MetricName("vllm:request_time_per_output_token_seconds", "0.12"),),  # not there at the start of 0.11
    "e2e_s": (MetricName("vllm:e2e_request_latency_seconds", "0.8"),),
    "queue_s": (MetricName("vllm:request_queue_time_seconds", "0.8"),),
}
ROWS: dict[str, tuple[MetricName, ...]] = {**GAUGES, **COUNTERS, "finished": FINISHED, **HISTOGRAMS}

RAY_PREFIX = "ray_vllm_"
"""Ray's exporter says `ray_vllm_num_requests_running` for `vllm:num_requests_running`: it takes no colons (vLLM's
`ray_wrappers.py`) and puts its name before every metric."""
RAY_EXPORT_S = 10.0
"""How often Ray hands metrics to its exporter (`metrics_report_interval_ms`, Ray 2.60): values are as old as that."""


def ray_name(name: str) -> str:
    """As Ray's exporter calls a metric of vLLM."""
    return RAY_PREFIX + name.removeprefix("vllm:")
