"""Errors in percent, gathered by term and by group, and the shape of the JSON answer.

The one thing to know: an error needs a printed number above zero. Where a term was printed as zero or less there is no
percentage; such records are counted in `without_percentage` and shown, not dropped.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Compared:
    """One record, answered: for each term what was printed and what we say, in one unit."""

    id: str
    groups: tuple[str, ...]
    pairs: dict[str, tuple[float, float]]
    """term -> (ours, printed)."""
    why: dict[str, str] = field(default_factory=dict)
    """term -> what may explain a large miss: what was assumed of the record."""
    within_80: bool | None = None
    """Whether what was printed lies within our 80 % interval; None: not to be said of this record."""
    latencies_within_80: dict[str, bool] = field(default_factory=dict)
    """The same by latency, of those that were printed."""
    architecture: str = ""
    """The model class, which is left out as a whole."""


@dataclass
class Scores:
    """All comparisons of one file."""

    rows: int = 0
    compared: list[Compared] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    uncounted: list[tuple[str, str, str]] = field(default_factory=list)
    """(id, term, why): answered, and still not scored."""
    wrong_verdicts: list[tuple[str, str]] = field(default_factory=list)
    undecided: list[tuple[str, str]] = field(default_factory=list)
    """Started, and we cannot tell."""
    judged: int = 0

    def errors(self, term: str, group: str | None = None) -> list[tuple[float, str]]:
        """(absolute error in percent, id) of a term, in the order of the file."""
        return [(abs(signed), row.id) for signed, row in self.signed(term, group)]

    def signed(self, term: str, group: str | None = None) -> list[tuple[float, Compared]]:
        """(error in percent, record), in the order of the file: positive where we say more than was printed."""
        found = []
        for row in self.compared:
            if term in row.pairs and (group is None or group in row.groups):
                ours, printed = row.pairs[term]
                if printed > 0:
                    found.append((100 * (ours - printed) / printed, row))
        return found

    def left_out(self, term: str) -> list[tuple[float, str]]:
        """As `errors`, each record with one factor on the term that is refitted without its model class.

        The factor is the median of printed over ours of all other classes: what a refit on them would have moved the
        term by. Where it differs from the plain error, the term's constants lean on the class that was left out.
        """
        pairs = [(r, *r.pairs[term]) for r in self.compared if term in r.pairs and min(r.pairs[term]) > 0]
        found = []
        for row, ours, printed in pairs:
            others = [p / o for r, o, p in pairs if r.architecture != row.architecture]
            if others:
                found.append((abs(100 * (ours * statistics.median(others) - printed) / printed), row.id))
        return found

    def without_percentage(self) -> list[tuple[str, str]]:
        """(id, term) of what was printed as zero or less."""
        return [(row.id, term) for row in self.compared for term, (_, printed) in row.pairs.items() if printed <= 0]

    def terms(self) -> list[str]:
        """Every term that was compared, in order of appearance."""
        return list(dict.fromkeys(term for row in self.compared for term in row.pairs))

    def groups(self) -> list[str]:
        """Every group, families first, then by name."""
        found = {group for row in self.compared for group in row.groups}
        families = [family for family in FAMILIES if family in found]
        return families + sorted(found - set(families))

    def coverage(self) -> tuple[float | None, int]:
        """(share of records within the 80 % interval, of how many)."""
        known = [row.within_80 for row in self.compared if row.within_80 is not None]
        return (sum(known) / len(known) if known else None), len(known)

    def latency_coverage(self) -> dict[str, tuple[float, int]]:
        """Latency -> (share of records within its 80 % interval, of how many)."""
        found: dict[str, list[bool]] = {}
        for row in self.compared:
            for term, within in row.latencies_within_80.items():
                found.setdefault(term, []).append(within)
        return {term: (sum(known) / len(known), len(known)) for term, known in found.items()}


@contextmanager
def readable(row: dict[str, Any], refused: list[tuple[str, str]]) -> Iterator[None]:
    """Inside, a record whose fields are of another kind than a truth file's is refused, by name."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        refused.append((str(row["id"]), f"the record cannot be read: {error}"))


FAMILIES = ("dense", "moe", "latent", "hybrid")


def stats(errors: list[tuple[float, str]]) -> dict[str, Any] | None:
    """Mean, median, p90 (nearest rank) and worst of absolute errors in percent; None where there is none."""
    if not errors:
        return None
    values = sorted(error for error, _ in errors)
    worst, worst_id = max(errors)
    return {
        "mean_abs_pct": round(statistics.mean(values), 3),
        "median_abs_pct": round(statistics.median(values), 3),
        "p90_abs_pct": round(values[math.ceil(0.9 * len(values)) - 1], 3),
        "worst_abs_pct": round(worst, 3),
        "worst_id": worst_id,
        "n": len(values),
    }


def to_json(scores: Scores) -> dict[str, Any]:
    """The machine's answer."""
    covered, n = scores.coverage()
    answered = scores.rows - len(scores.refused)
    return {
        "terms": {term: s for term in scores.terms() if (s := stats(scores.errors(term)))},
        "groups": {
            group: {term: s for term in scores.terms() if (s := stats(scores.errors(term, group)))}
            for group in scores.groups()
        },
        "left_out": {term: s for term in scores.terms() if (s := stats(scores.left_out(term)))},
        "wrong_verdicts": len(scores.wrong_verdicts),
        "answered": round(answered / scores.rows, 4) if scores.rows else None,
        "coverage_80": None if covered is None else round(covered, 4),
        "coverage_n": n,
        "latency_coverage_80": {term: round(share, 4) for term, (share, _) in scores.latency_coverage().items()},
        "rows": scores.rows,
        "refused": [{"id": name, "reason": reason} for name, reason in scores.refused],
        "wrong_verdict_ids": [{"id": name, "reason": reason} for name, reason in scores.wrong_verdicts],
        "undecided": [{"id": name, "reason": reason} for name, reason in scores.undecided],
        "judged": scores.judged,
        "uncounted": [{"id": name, "term": term, "reason": reason} for name, term, reason in scores.uncounted],
        "without_percentage": [{"id": name, "term": term} for name, term in scores.without_percentage()],
    }
