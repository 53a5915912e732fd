"""How sure a predicted speed is: the interval around it, and why it is wider than usual.

The one thing to know: intervals are what was measured to be wrong on public records (core/speed/errors.py), and are
widened, with a note, where nothing of the kind was measured.
"""

from typing import NamedTuple

from infercli.core.architecture.arch import Experts, ModelArch, feed_forwards
from infercli.core.gpus import Gpu
from infercli.core.speed.engine import Serving, coefficients_for, is_v0, version_of
from infercli.core.speed.errors import LEAST_REQUEST_S, MOST_REQUEST_S, LoadKind, Metric, error_of, interval
from infercli.core.speed.throughput import Load, Speed

MEASURED = frozenset({
    "A10G", "A100-40-SXM", "A100-80-SXM", "A40", "A800-80-SXM", "B200", "B300", "H100", "H20-3e", "H200", "L4", "L40S",
    "MI300X", "RTX-3090", "RTX-4000-Ada", "RTX-4090", "RTX-4090-D", "RTX-5090", "RTX-6000-Ada", "RTX-A6000",
    "RTX-PRO-6000", "T4", "V100S-32",
})  # fmt: skip
"""GPUs with rows among the measurements that the constants were fitted on."""
NEWEST_MEASURED = (0, 29)
"""Newest vLLM that was measured. The constants were fitted on records up to 0.20: of 68 measurements with 0.21 to 0.29
(14 other sources, seven of 0.29) the interval of tokens/s, not widened, holds 66; of 71 and 64 those of TPOT and TTFT
hold 66 and 52."""
OLDEST_MEASURED: dict[int, tuple[int, int]] = {10: (0, 17), 12: (0, 11)}
"""Capability's major number -> oldest vLLM among them, of GPUs whose own kernels came after vLLM first ran on them
(attention and FP8 experts on 10: vLLM pull requests 19825 and 22357, July and August of 2025). Not in the records: two
public sources of 0.9 and 0.10 on capability 10 are 1.3 to 2 times slower than said."""
_KEPT_UP = 0.9
"""Of the requests that arrive. Chosen: the end of a run of 600 costs a few percent, a queue that grows costs more."""
_WIDENED = 1.3
"""Of intervals where nothing was measured. Chosen: leaving out every GPU in turn widened errors by a fifth at most, and
what is newer than all records cannot be tested. Once more where stages share the work, of which three records exist, or
ranks share requests, of which none does; and once more where tokens are drafted, of which none does either."""


class Bounded(NamedTuple):
    """A value with the interval that is meant to hold 80 % of measurements."""

    value: float
    low: float
    high: float


def kind_of(load: Load) -> LoadKind:
    """Which rows of the measured errors speak of it."""
    if load.concurrency is not None:
        return "concurrency"
    return "at_once" if load.request_rate is None else "rate"


def outruns(load: Load, seen: Speed) -> bool:
    """Whether requests arrive faster than they are answered: it is as if all were there at once."""
    return load.request_rate is not None and seen.requests_per_s < _KEPT_UP * load.request_rate


def bounded(
    value: float, metric: Metric, arch: ModelArch, gpu: Gpu, serving: Serving, load: Load, *, outrun: bool = False
) -> tuple[Bounded, tuple[str, ...]]:
    """(the value with its bounds, why they are wider than usual). `outrun`: of `outruns`."""
    notes = []
    if gpu.name not in MEASURED:
        notes.append(f"no public measurement of vLLM on {gpu.name} was used")
    if version_of(serving.engine_version) > NEWEST_MEASURED:
        newest = ".".join(map(str, NEWEST_MEASURED))
        notes.append(f"the newest vLLM that was measured is {newest}: {serving.engine_version} extrapolates")
    oldest = OLDEST_MEASURED.get(gpu.capability[0]) if gpu.capability else None
    if oldest and version_of(serving.engine_version) < oldest:
        first = ".".join(map(str, oldest))
        notes.append(
            f"the oldest vLLM measured on the likes of {gpu.name} is {first}: {serving.engine_version} extrapolates"
        )
    experts = any(isinstance(f, Experts) for f in feed_forwards(arch))
    kind = "at_once" if outrun else kind_of(load)
    error = error_of(metric, kind, experts=experts, v0=is_v0(serving))
    widened = _WIDENED if notes else 1.0
    if serving.layout.pipeline_parallel_size > 1 or serving.layout.data_parallel_size > 1:
        notes.append("next to no public measurement splits layers over stages or requests over ranks")
        widened *= _WIDENED
    if serving.draft_tokens:
        notes.append("no public measurement of speculation was used: of drafting only its passes are counted")
        widened *= _WIDENED
    low, high = interval(value, error, widened=widened)
    if metric == "ttft" and load.served:
        usual = coefficients_for(serving).request_s
        low = min(low, interval(max(LEAST_REQUEST_S, value - usual + LEAST_REQUEST_S), error, widened=widened)[0])
        high = max(high, value - usual + MOST_REQUEST_S)
    return Bounded(value=value, low=low, high=high), tuple(notes)
