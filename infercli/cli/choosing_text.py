"""The answer of a search, for people.

The one thing to know: losers are told by kind, the nearest of each; the JSON has every candidate.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from infercli.cli.output import columns, heading, last_column_fits, paragraph, terminal_width

if TYPE_CHECKING:
    from infercli.core.choice.selection import Loser, Point, Selection, Winner

_LOSERS_SHOWN = 14
"""Kinds of losers at most."""


def text(found: Selection) -> str:
    """The answer for people."""
    lines = [paragraph(f"{found.model}: {_load(found)}")]
    if found.chosen is None:
        undecided = "" if found.holds is False else "; of some it cannot be told"
        title = f"Nothing holds at the pessimistic end of the estimates{undecided}"
        lines.append(click.style(paragraph(title), fg="yellow" if undecided else "red", bold=True))
    else:
        which = "One that holds (no price known)" if found.chosen.cost is None else "Cheapest that holds"
        title = paragraph(f"{which}: {found.chosen.candidate.words}")
        lines += [click.style(title, fg="green", bold=True), *_winner(found.chosen, found)]
        lines += ["", heading("Plan exactly this"), f"  {found.command}"]
        lines += [*_spare(found.chosen), *_other_load(found)]
    nearly = found.cheaper_at_the_estimate
    if nearly is not None:
        title = paragraph(f"{_nearly(nearly, found)}: {nearly.candidate.words}")
        lines += ["", heading(title), *_winner(nearly, found)]
    if found.changes:
        rows = [(c.change, c.effect) for c in found.changes]
        lines += ["", heading("What would hold, each searched again"), columns(rows, indent="  ")]
    elif found.chosen is None:
        none = "No change in one direction alone was found: of the load, the objectives, the GPUs, the checkpoint"
        lines += ["", paragraph(none)]
    if found.front:
        lines += ["", *_front(found.front)]
    lines += ["", heading(f"Why the others were not taken ({len(found.losers):,} of {found.candidates:,})")]
    shown, rest = _losers(found)
    lines += [_table(shown), *([paragraph(rest, "  ")] if rest else [])]
    chosen_notes = found.chosen.estimate.notes if found.chosen else ()
    notes = (*found.notes, *chosen_notes)
    if notes:
        lines += ["", heading("Notes"), *(paragraph(n, "  ") for n in dict.fromkeys(notes))]
    return "\n".join(lines)


def _nearly(nearly: Winner, found: Selection) -> str:
    """What one is that holds only at the estimate, beside what was chosen."""
    if nearly.cost is None:
        return "One that holds only at the estimate (no price known)"
    if found.chosen is None:
        return "The cheapest that holds only at the estimate"
    if found.chosen.cost is None:
        return "A priced one that holds only at the estimate"
    return "Cheaper, and holds only at the estimate"


def _spare(winner: Winner) -> list[str]:
    """What the plan of it does not have, and so not its price."""
    from infercli.core.units import counted

    spare = winner.candidate.spare_gpus
    return [paragraph(f"without the {counted(spare, 'spare GPU')}, which its price leaves out", "  ")] if spare else []


def _other_load(found: Selection) -> list[str]:
    """What a plan is asked for instead of a rate, and so why its TTFT is another."""
    if not found.workload.request_rate:
        return []
    words = "its speed is of as many requests in flight all the time, not of some that arrive at random"
    return [paragraph(words, "  ")]


def _load(found: Selection) -> str:
    from infercli.core.choice.measures import limits
    from infercli.core.units import number

    load = found.workload
    amount = _rate(load.request_rate) if load.request_rate else f"{number(load.concurrency or 0, 6)} in flight"
    cached = f" ({100 * load.prefix_hit_fraction:g}% of them cached)" if load.prefix_hit_fraction else ""
    words = [f"{load.input_len:,.0f} tokens in{cached}, {load.output_len:,.0f} out", amount]
    words += [f"{limit.label} within {_time(limit.limit_s)}" for limit in limits(load)]
    return ", ".join(words) + (", one replica spare" if found.spare else "")


def _winner(winner: Winner, found: Selection) -> list[str]:
    from infercli.core.units import counted, number

    cost, speed = winner.cost, winner.estimate.speed
    assert speed is not None
    price = "unknown: its profile names none"
    if cost is not None:
        price = f"${cost.median_usd_per_h:,.2f} an hour (${cost.low_usd_per_h:,.2f} to ${cost.high_usd_per_h:,.2f}; "
        price += f"{counted(cost.quotes, 'quote')}, {found.prices_as_of})"
    rows = [("price", price), ("at worst", winner.at_worst)]
    latencies = [("TTFT p50", speed.ttft_s), ("TTFT p95", speed.ttft_p95_s)]
    latencies += [("TPOT p50", speed.tpot_s), ("TPOT p95", speed.tpot_p95_s)]
    rows += [(name, f"{_time(q.value)} ({_time(q.low)} to {_time(q.high)})") for name, q in latencies if q is not None]
    tokens, most = speed.output_tok_per_s, speed.highest_request_rate
    rows.append(("output", f"{tokens.value:,.0f} tokens/s ({tokens.low:,.0f} to {tokens.high:,.0f})"))
    if most is not None:
        rows.append(("highest rate", f"{_rate(most.value, 3)} ({number(most.low)} to {number(most.high)})"))
    return [columns(rows, indent="  ")]


def _front(front: tuple[Point, ...]) -> list[str]:
    from infercli.core.choice.frontier import letter, plot

    rows = [
        (
            letter(i, chosen=p.chosen),
            f"{p.tokens_per_s_per_user.value:,.1f}",
            f"{p.tokens_per_s_per_usd_h:,.0f}",
            f"${p.cost.median_usd_per_h:,.2f}",
            {"at the pessimistic end": "yes", "at the estimate": "maybe", "no": "no"}[p.holds],
            p.candidate.words,
        )
        for i, p in enumerate(front)
    ]
    header = ("", "TOK/S USER", "TOK/S PER $/H", "$/H", "HOLDS", "CONFIGURATION")
    chosen = " (the capital is what was chosen)" if any(p.chosen for p in front) else ""
    title = heading(paragraph(f"Pareto front: faster for a user, or cheaper{chosen}"))
    table = [columns(rows, header, indent="  ")]
    if not last_column_fits([header, *rows], "  "):  # letters, and what they are below
        table = [columns([row[:-1] for row in rows], header[:-1], "  "), ""]
        table.append(columns([(row[0], row[-1]) for row in rows], indent="  "))
    return [title, *table, "", *plot(front, terminal_width())]


def _losers(found: Selection) -> tuple[list[tuple[str, str, str, str]], str]:
    """(one row for each GPU and kind of reason: the one that came nearest, the cheapest first; what has none).

    What differs from a configuration that is told above by its batch alone reads like it, and is left to the JSON.
    """
    from infercli.core.units import counted

    above = {w.candidate.words for w in (found.chosen, found.cheaper_at_the_estimate) if w is not None}
    kinds: dict[tuple[str, str], list[Loser]] = {}
    for loser in found.losers:
        if loser.candidate.words not in above:
            kinds.setdefault((loser.candidate.gpu, loser.verdict), []).append(loser)

    def price(loser: Loser) -> float:
        return float("inf") if loser.cost is None else loser.cost.median_usd_per_h

    nearest = [(min(group, key=lambda x: (x.shortfall, price(x))), len(group)) for group in kinds.values()]
    nearest.sort(key=lambda kind: price(kind[0]))
    told = Counter(x.candidate.words for x, _ in nearest[:_LOSERS_SHOWN])
    most: dict[str, int] = {}
    chosen = [] if found.chosen is None else [found.chosen.candidate]
    for c in (*chosen, *(loser.candidate for loser in found.losers)):
        most[c.gpu] = max(most.get(c.gpu, 0), c.max_num_seqs)

    def words(loser: Loser) -> str:
        """With its batch, where it is not vLLM's own, which is tried first, or where another row reads like it."""
        c = loser.candidate
        plain = told[c.words] == 1 and c.max_num_seqs == most[c.gpu]
        return c.words if plain else f"{c.words}, max_num_seqs {c.max_num_seqs:,}"

    rows = [(x.candidate.gpu, f"{n:,}", words(x), x.reason) for x, n in nearest[:_LOSERS_SHOWN]]
    hidden = [n for _, n in nearest[_LOSERS_SHOWN:]]
    alike = len(found.losers) - sum(n for _, n in nearest)
    rest = [f"{sum(hidden):,} more of {counted(len(hidden), 'kind')}"] if hidden else []
    rest += [f"{alike:,} that differ from what is above by max_num_seqs alone"] if alike else []
    return rows, f"and {', and '.join(rest)}: -o json" if rest else ""


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    """Four columns; where they leave no room for reasons, three, with the reason behind the configuration."""
    header = ("GPU", "ALIKE", "NEAREST", "WHY")
    if last_column_fits([header, *rows], "  "):
        return columns(rows, header, "  ")
    return columns([(gpu, n, f"{words}: {why}") for gpu, n, words, why in rows], header[:-1], "  ")


def _time(value_s: float) -> str:
    from infercli.core.units import number

    return f"{number(value_s)} s" if value_s >= 1 else f"{number(value_s * 1000)} ms"


def _rate(requests_per_s: float, digits: int = 6) -> str:
    from infercli.core.units import counted

    return f"{counted(requests_per_s, 'request', digits)}/s"
