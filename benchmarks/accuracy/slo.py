"""Highest rates that kept an objective: ours must lie between the highest level met and the lowest one broken.

Levels are far apart (5, 25, 100 requests a second), so this is a coarse test; beside it stands a roofline's share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from benchmarks.accuracy.asking import question
from benchmarks.accuracy.models import Library
from benchmarks.accuracy.scoring import readable
from benchmarks.accuracy.throughput import answer_with_room, lengths_of, refused
from infercli.cli.estimating import Answers
from infercli.core.estimates.answer import Estimate

Row = dict[str, Any]

_REQUESTS, _FEWER = 300, 200
"""Of each level of AccelMark, and of its suites of long prompts and of 70B (online_request_count in suites/*/suite.json
at 5797fc4): the p99 is that of a run that ends, at a rate that its engine need not carry for long."""
_SUITES_WITH_FEWER = ("_suite_B_", "_suite_D_")
_LONG_CONTEXT = 5000
"""Mean tokens of a prompt above which AccelMark's suite is one of fixed lengths."""


@dataclass
class Level:
    """One record: the bracket and what we and the roofline say, in requests a second."""

    id: str
    groups: tuple[str, ...]
    met: float
    broken: float | None
    """None: no level broke it."""
    ours: float
    low: float
    high: float
    roofline: float | None
    monotone: bool
    """False: a level above a broken one was met; the bracket is uncertain."""

    def holds(self, rate: float) -> bool:
        """Whether a rate lies between what was met and what was broken."""
        low, high = self.met, self.broken
        if high is not None and high < low:
            low, high = high, low
        return low <= rate and (high is None or rate < high)


@dataclass
class Rates:
    """All records of one file."""

    rows: int = 0
    levels: list[Level] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def score(rows: list[Row], library: Library) -> Rates:
    """Every record asked for its highest rate."""
    answers, rates = Answers(), Rates(rows=len(rows))
    for row in rows:
        with readable(row, rates.refused):
            _score(row, library, answers, rates)
    return rates


def _score(row: Row, library: Library, answers: Answers, rates: Rates) -> None:
    if not (row.get("input_len") and row.get("output_len")):
        rates.refused.append((str(row["id"]), "the record does not say its lengths"))
        return
    said = re.search(r"(TTFT|TPOT) p(95|99) <= ([\d.]+) ms", str(row.get("slo") or ""))
    if said is None:
        rates.refused.append((str(row["id"]), f"the objective is not understood: {row.get('slo')}"))
        return
    asked = question(row, library)
    asked.request["workload"] = {
        "input_len": float(row["input_len"]),
        "output_len": float(row["output_len"]),
        f"{said.group(1).lower()}_p{said.group(2)}_ms": float(said.group(3)),
        **requests_of(row),
        **lengths_of({"workload": _workload(row)}),
    }
    answer = answer_with_room(answers, asked, row)
    reason = refused(answer)
    speed = answer.speed if isinstance(answer, Estimate) else None
    if reason is not None or not isinstance(answer, Estimate) or speed is None or speed.highest_request_rate is None:
        rates.refused.append((str(row["id"]), reason or "no highest rate was said"))
        return
    rate, broken = speed.highest_request_rate, row.get("min_qps_violated")
    rates.levels.append(
        Level(
            id=str(row["id"]),
            groups=(answer.family, f"gpu {answer.gpu}", f"engine {row.get('engine') or 'vLLM'}"),
            met=float(row.get("max_qps_met") or 0),
            broken=None if broken is None else float(broken),
            ours=rate.value,
            low=rate.low,
            high=rate.high,
            roofline=speed.roofline_requests_per_s,
            monotone=row.get("monotone") is not False,
        )
    )


def requests_of(row: Row) -> Row:
    """How many requests a level has, where the record is AccelMark's."""
    source = str(row.get("source_url"))
    if "/AccelMark/" not in source:
        return {}
    return {"num_prompts": _FEWER if any(suite in source for suite in _SUITES_WITH_FEWER) else _REQUESTS}


def _workload(row: Row) -> str:
    """The sample of lengths: records do not name it, and its suite stands in the address of the result."""
    if row.get("workload") or float(row["input_len"]) > _LONG_CONTEXT:
        return str(row.get("workload") or "")
    return "sharegpt_edge_v1" if "_suite_F_" in str(row.get("source_url")) else "sharegpt_standard_v1"


def to_json(rates: Rates) -> dict[str, Any]:
    """The machine's answer."""
    vllm = [level for level in rates.levels if "engine vLLM" in level.groups]
    touched = [v.low <= (v.broken or float("inf")) and v.high >= v.met for v in vllm]
    return {
        "terms": {},
        "groups": {},
        "wrong_verdicts": sum(not level.holds(level.ours) for level in vllm),
        "coverage_80": _share(touched),
        "between": _share(level.holds(level.ours) for level in vllm),
        "roofline_between": _share(level.holds(level.roofline) for level in vllm if level.roofline is not None),
        "n": len(vllm),
        "answered": round(len(rates.levels) / rates.rows, 4) if rates.rows else None,
        "rows": rates.rows,
        "uncertain": [level.id for level in rates.levels if not level.monotone],
        "levels": [
            {"id": v.id, "met": v.met, "broken": v.broken, "ours": v.ours, "low": v.low, "high": v.high,
             "roofline": v.roofline, "between": v.holds(v.ours)}
            for v in rates.levels
        ],
        "refused": [{"id": name, "reason": reason} for name, reason in rates.refused],
    }  # fmt: skip


def _share(held: Any) -> float | None:
    values = list(held)
    return round(sum(values) / len(values), 4) if values else None


def text(rates: Rates) -> list[str]:
    """The report for people."""
    from infercli.cli.output import columns

    vllm = [level for level in rates.levels if "engine vLLM" in level.groups]
    certain = [level for level in vllm if level.monotone]
    rows = []
    for title, levels in (("vLLM, all", vllm), ("vLLM, monotone", certain)):
        roofline = [v for v in levels if v.roofline is not None]
        rows.append((
            title, str(len(levels)), str(sum(v.holds(v.ours) for v in levels)),
            str(sum(v.holds(v.roofline) for v in roofline if v.roofline is not None)),
            str(sum(v.low <= (v.broken or float("inf")) and v.high >= v.met for v in levels)),
        ))  # fmt: skip
    lines = [f"answered: {len(rates.levels)} of {rates.rows}", ""]
    lines += [columns(rows, ("RECORDS", "N", "OURS BETWEEN", "ROOFLINE BETWEEN", "INTERVAL TOUCHES")), ""]
    outside = [v for v in rates.levels if not v.holds(v.ours)]
    if outside:
        shown = [
            (v.id, f"met {v.met:g}", f"broken {v.broken}", f"ours {v.ours:.1f} ({v.low:.1f} to {v.high:.1f})",
             " / ".join(v.groups), "" if v.monotone else "not monotone")
            for v in outside
        ]  # fmt: skip
        lines += [f"outside: {len(outside)}", columns(shown, indent="  "), ""]
    if rates.refused:
        lines += [f"refused: {len(rates.refused)}", columns(rates.refused, indent="  "), ""]
    return lines
