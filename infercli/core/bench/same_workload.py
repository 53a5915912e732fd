"""Whether two runs sent the same: one workload, of which they may be compared.

The one thing to know: how much of it was sent, and at which arrivals, may differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from infercli.core.bench.result import BenchResult
from infercli.core.traces import Load

_DECIDED = re.compile(r"synthetic \(\d+ words, seed -?\d+\)")
"""Sources whose n-th prompt follows from their words (core/load/synthetic.py)."""
_TRAFFIC = (
    "concurrency", "arrivals", "rate_per_s", "ramp_to_per_s", "burstiness", "speed", "max_tokens", "min_tokens",
    "ignore_eos", "temperature", "extra_body",
)  # fmt: skip
"""What a load sends. How much of it was sent, and the seed of its arrivals, may differ."""


class Matched(NamedTuple):
    """The levels of two runs."""

    pairs: list[tuple[int, int]]
    """Indexes of stages with one label."""
    rest_a: list[int]
    rest_b: list[int]


def unlike(a: BenchResult, b: BenchResult) -> tuple[str, ...]:
    """Why two runs are not of one workload; empty when they are."""
    said = [
        f"{name}: {was} / {becomes}"
        for name, was, becomes in (("model", a.target.model, b.target.model), ("API", a.target.api, b.target.api))
        if was != becomes
    ]
    if a.prompts.key_id != b.prompts.key_id:
        if not (_same_words(a, b) and (a.prompts.count == b.prompts.count or sent_the_beginning(a, b))):
            said.append(
                "prompts: measured on two machines, or with two state folders (XDG_STATE_HOME): their digests "
                "cannot be compared"
            )
    elif a.prompts.digest != b.prompts.digest and not sent_the_beginning(a, b):
        said.append(f"prompts: {_prompts(a)} / {_prompts(b)}, with other digests")
    matched = match(a, b)
    if not matched.pairs:
        said.append(f"load: {_labels(a)} / {_labels(b)}")
    for i, j in matched.pairs:
        said += [
            f"{a.stages[i].load.label}: {name} {was} / {becomes}"
            for name, was, becomes in _traffic(a.stages[i].load, b.stages[j].load)
        ]
    return tuple(said)


def match(a: BenchResult, b: BenchResult) -> Matched:
    """Stages by label; of repeated ones the first goes with the first."""
    places_b = {key: j for j, key in _keys(b)}
    pairs = [(i, places_b[key]) for i, key in _keys(a) if key in places_b]
    taken_a, taken_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return Matched(
        pairs,
        [i for i in range(len(a.stages)) if i not in taken_a],
        [j for j in range(len(b.stages)) if j not in taken_b],
    )


def _keys(result: BenchResult) -> Iterator[tuple[int, tuple[str, int]]]:
    seen: Counter[str] = Counter()
    for index, stage in enumerate(result.stages):
        seen[stage.load.label] += 1
        yield index, (stage.load.label, seen[stage.load.label])


def _traffic(a: Load, b: Load) -> Iterator[tuple[str, object, object]]:
    names = (*_TRAFFIC, "duration_s") if a.ramp_to_per_s is not None else _TRAFFIC  # a ramp is as steep as it is long
    for name in names:
        was, becomes = getattr(a, name), getattr(b, name)
        if was != becomes:
            yield name, was, becomes


def sent_the_beginning(a: BenchResult, b: BenchResult) -> bool:
    """Whether one run sent the first of the other's prompts. A pool that was sent twice is in the prefix cache."""
    once = all(sum(1 for _ in r.traces) <= r.prompts.count for r in (a, b))
    return once and a.prompts.count != b.prompts.count and _same_words(a, b)


def _same_words(a: BenchResult, b: BenchResult) -> bool:
    """Whether both drew from the same words, which the length and the seed alone decide.

    Of everything else a result does not say enough to tell.
    """
    same = a.prompts.source == b.prompts.source and a.infercli_version == b.infercli_version
    return same and _DECIDED.fullmatch(a.prompts.source) is not None


def _prompts(result: BenchResult) -> str:
    return f"{result.prompts.source}, {result.prompts.count:,} prompts"


def _labels(result: BenchResult) -> str:
    return ", ".join(stage.load.label for stage in result.stages)
