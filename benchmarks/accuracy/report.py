"""The text of an accuracy report: tables of errors, then by name whatever a table would hide."""

from __future__ import annotations

from benchmarks.accuracy.scoring import FAMILIES, Scores, stats
from infercli.cli.output import columns

NAMED_ABOVE_PCT = 15
"""A miss of the scored terms beyond it is named, with what was assumed of the record."""


def table(scores: Scores, title: str, groups: list[str | None]) -> list[str]:
    """Rows of term by group; a group without a record is left out."""
    rows = []
    for group in groups:
        for term in scores.terms():
            s = stats(scores.errors(term, group))
            if s is not None:
                rows.append((
                    group or "all", term, str(s["n"]), f"{s['mean_abs_pct']:.2f}", f"{s['median_abs_pct']:.2f}",
                    f"{s['p90_abs_pct']:.2f}", f"{s['worst_abs_pct']:.2f}", s["worst_id"],
                ))  # fmt: skip
    if not rows:
        return []
    header = (title, "TERM", "N", "MEAN %", "MEDIAN %", "P90 %", "WORST %", "WORST RECORD")
    return [columns(rows, header), ""]


def left_out(scores: Scores) -> list[str]:
    """Each term with one factor refitted without the record's own model class, beside nothing: what was not fitted."""
    rows = []
    for term in scores.terms():
        s = stats(scores.left_out(term))
        if s is not None:
            shown = (f"{s[name]:.2f}" for name in ("mean_abs_pct", "median_abs_pct", "p90_abs_pct"))
            rows.append((term, str(s["n"]), *shown))
    title = "each term times one factor, refitted without the model class of the record:"
    return [title, columns(rows, ("TERM", "N", "MEAN %", "MEDIAN %", "P90 %"), indent="  "), ""] if rows else []


def by_group(scores: Scores) -> list[str]:
    """Every table: all, by family, by whatever else the records are grouped by."""
    lines = table(scores, "ALL", [None])
    lines += table(scores, "FAMILY", list(FAMILIES))
    kinds = list(dict.fromkeys(group.split(" ")[0] for group in scores.groups() if group not in FAMILIES))
    for kind in kinds:
        lines += table(scores, kind.upper(), [g for g in scores.groups() if g.split(" ")[0] == kind])
    return lines


def summary(scores: Scores) -> list[str]:
    """Shares, in one line each."""
    covered, n = scores.coverage()
    answered = scores.rows - len(scores.refused)
    share = 100 * answered / scores.rows if scores.rows else 0
    lines = [f"answered: {answered} of {scores.rows} ({share:.1f} %)"]
    if covered is not None:
        lines.append(f"80 % interval covers: {100 * covered:.1f} % of {n}")
    for term, (share, n) in scores.latency_coverage().items():
        lines.append(f"80 % interval of {term} covers: {100 * share:.1f} % of {n}")
    if scores.judged:
        lines.append(
            f"start verdicts: {len(scores.wrong_verdicts)} wrong and {len(scores.undecided)} not told, of "
            f"{scores.judged}"
        )
    return [*lines, ""]


def names(scores: Scores, terms: tuple[str, ...]) -> list[str]:
    """Misses, wrong verdicts, refusals and what was not counted: all by name."""
    lines: list[str] = []
    for term in terms:
        missed = [(error, row) for error, row in scores.signed(term) if abs(error) > NAMED_ABOVE_PCT]
        if missed:
            lines.append(f"{term}: {len(missed)} misses over {NAMED_ABOVE_PCT} %")
            rows = []
            for error, row in sorted(missed, key=lambda m: -abs(m[0])):
                ours, printed = row.pairs[term]
                rows.append((
                    row.id, f"{error:+.1f} %", f"ours {ours:.4g}", f"printed {printed:.4g}",
                    " / ".join(row.groups), row.why.get(term, ""),
                ))  # fmt: skip
            lines += [columns(rows, indent="  "), ""]
    for title, entries in (
        ("wrong verdicts", scores.wrong_verdicts),
        ("started, and we cannot tell", scores.undecided),
        ("refused", scores.refused),
    ):
        if entries:
            lines += [f"{title}: {len(entries)}", columns(entries, indent="  "), ""]
    if scores.uncounted:
        lines += [f"answered and not scored: {len(scores.uncounted)}", columns(scores.uncounted, indent="  "), ""]
    if scores.without_percentage():
        entries = scores.without_percentage()
        lines += [
            f"printed as zero or less, so without a percentage: {len(entries)}",
            columns(entries, indent="  "),
            "",
        ]
    return lines
