"""A plan for people, with what is expected of it and with the derivation of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infercli.cli.output import columns, fits, heading, paragraph

if TYPE_CHECKING:
    from infercli.core.derivation import Derivation, Measured
    from infercli.core.documents.plan import GpuMemory, KvCache, MemoryTerm, Plan
    from infercli.core.planning.outlook import Outlook

BAR_WIDTH = 50
"""Characters of the memory bar; with its label it stays under 80 columns."""
_LETTERS = {"weights": "W", "activation": "A", "non_torch": "N", "cuda_graphs": "G", "kv_cache": "K", "learned": "L"}


def text(plan: Plan, said: Outlook | None = None) -> str:
    """A plan, and what is expected of it; `said` None on the local target."""
    colour = {True: "green", False: "red", None: "yellow"}[plan.fits]
    each = f", each of {plan.replicas:,} replicas" if plan.replicas > 1 else ""
    lines = [
        f"{plan.deployment.model}, profile {plan.profile.name}{each}",
        click.style(paragraph(plan.verdict), fg=colour, bold=True),
    ]
    if plan.memory is not None:
        lines += ["", heading("Memory of each GPU"), *_memory(plan.memory)]
    if plan.kv_cache is not None and plan.kv_cache.blocks:
        lines += ["", *_kv_cache(plan, plan.kv_cache, None if said is None else said.kv_cache_tokens)]
    if said is not None:
        lines += _outlook(said, plan.replicas)
    rows = [(c.name, _shown(c.value), ("given: " if c.given else "") + c.reason) for c in plan.choices]
    lines += ["", heading("Choices"), columns(rows, indent="  "), *_served(plan)]
    if plan.missing_bytes:
        lines += ["", _missing(plan)]
    if plan.changes:
        lines += ["", heading("What would fit"), columns([(c.change, c.effect) for c in plan.changes], indent="  ")]
    notes = (*plan.notes, *(said.notes if said is not None else ()))
    if notes:
        lines += ["", heading("Notes"), *(paragraph(n, "  ") for n in notes)]
    return "\n".join(lines)


def explained(derivations: tuple[Derivation, ...]) -> str:
    """Derivations, each with its formula, its inputs and what was measured."""
    return "\n\n".join("\n".join([heading(d.name), *_derivation(d)]) for d in derivations)


def _served(plan: Plan) -> list[str]:
    """The engine as a command, broken as a shell takes it."""
    from infercli.core.planning.command_line import serve_command

    words = serve_command(plan)
    if not words:
        return []
    lines = [f"  {words[0]}"]
    for word in words[1:]:
        if fits(f"{lines[-1]} {word} \\"):
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"    {word}")
    what = f"each of {plan.replicas:,} replicas" if plan.replicas > 1 else "it"
    return ["", heading(f"To start {what} without infercli, by vLLM {plan.engine.engine_version}"), *lines]


def _memory(memory: GpuMemory) -> list[str]:
    from infercli.core.units import gib

    bar = ""
    for term in memory.terms:
        width = min(BAR_WIDTH, round(BAR_WIDTH * max(term.bytes, 0) / memory.total_bytes))
        bar += _LETTERS.get(term.name, "?") * width
    bar = bar[:BAR_WIDTH]
    rows = []
    for term in memory.terms:
        exact = term.low_bytes == term.high_bytes
        band = "" if exact else f"{gib(term.low_bytes, 2)} to {gib(term.high_bytes, 2)}"
        rows.append((f"{_LETTERS.get(term.name, '?')} {term.name}", gib(term.bytes, 2), band))
    budget = f"budget {gib(memory.budget_bytes, 2)} of {gib(memory.total_bytes, 2)}"
    line = f"  [{bar:.<{BAR_WIDTH}}] {budget}"
    lines = [line] if fits(line) else [f"  [{bar:.<{BAR_WIDTH}}]", f"  {budget}"]
    return [*lines, columns(rows, indent="  ")]


def _kv_cache(plan: Plan, cache: KvCache, printed: int | None) -> list[str]:
    """What it holds at the pessimistic end, which is what the choices rest on, and what the log will rather print."""
    length = plan.engine.engine_args.get("max_model_len")
    least, rather = "", ""
    beyond = "" if cache.bytes_per_token else " in a request longer than what its layers look back on"
    each = ", on each GPU" if plan.profile.accelerator == "gpu" else ""
    if printed is not None:
        least, rather = "at least ", f"; vLLM will print about {round(printed, -3):,}"
    lines = [
        f"KV cache: {least}{cache.tokens:,} tokens in {cache.blocks:,} blocks of {cache.block_tokens}{rather}",
        f"Bytes of KV cache per token{each}: {cache.bytes_per_token:,}{beyond}",
        f"Concurrency: {least}{cache.concurrency:.2f} requests of {length:,} tokens at once",
    ]
    return [paragraph(line) for line in lines]


def _missing(plan: Plan) -> str:
    from infercli.core.units import gib

    left = _left(plan)
    expected = plan.missing_bytes - (0 if left is None else left.bytes - left.low_bytes)
    if plan.memory is not None:
        # A KV cache that was given more than there is: the terms are then more than the budget.
        beyond = sum(t.bytes for t in plan.memory.terms if t.inside_budget) - plan.memory.budget_bytes
        expected = beyond if beyond > 0 else expected
    if 0 < expected < plan.missing_bytes:
        return f"Missing: {gib(expected, 2)} per GPU, {gib(plan.missing_bytes, 2)} at worst"
    return f"Missing: {gib(plan.missing_bytes, 2)} per GPU" + (" at worst" if expected <= 0 else "")


def _left(plan: Plan) -> MemoryTerm | None:
    terms = () if plan.memory is None else plan.memory.terms
    return next((t for t in terms if t.name == "kv_cache"), None)


def _outlook(said: Outlook, replicas: int) -> list[str]:
    """Speed and price, of all replicas together; empty where neither is known."""
    from infercli.core.units import counted, rounded

    rows = []
    if said.speed is not None:
        made = said.speed.output_tok_per_s
        rows = [
            ("output tokens/s", rounded(made.value, 0), f"{rounded(made.low, 0)} to {rounded(made.high, 0)}"),
            ("TTFT, median", f"{1000 * said.speed.ttft_s.value:,.0f} ms", said.speed.ttft_s.ends(1000, 0)),
        ]
        if said.speed.tpot_s is not None:
            tpot = said.speed.tpot_s
            rows.append(("TPOT, median", f"{1000 * tpot.value:,.1f} ms", tpot.ends(1000, 1)))
    kept = {True: "kept", False: "not kept", None: "cannot be told"}
    rows += [
        (
            f"{o.name} under {1000 * o.limit_s:,.0f} ms", kept[o.kept],
            f"{1000 * o.expected_s.value:,.0f} ms expected, {o.expected_s.ends(1000, 0)}",
        )
        for o in said.objectives
    ]  # fmt: skip
    if said.cost is not None:
        cost = said.cost
        quotes = "one quote" if cost.quotes == 1 else f"median of {cost.quotes} quotes, {cost.usd_per_h.ends(1, 2)}"
        rows.append(
            ("price", f"${cost.usd_per_h.value:,.2f}/h", f"{counted(cost.gpus, 'GPU')}, {cost.as_of}: {quotes}")
        )
        if cost.usd_per_million_output_tokens is not None:
            each = cost.usd_per_million_output_tokens
            rows.append(("per 1M output tokens", f"${each.value:,.2f}", f"{each.ends(1, 2)}; at this load all day"))
    if not rows:
        return []
    requests = counted(said.concurrency, "request")
    cached = f" ({100 * said.prefix_hit_fraction:g}% of them cached)" if said.prefix_hit_fraction else ""
    expected = "Expected of all replicas" if replicas > 1 else "Expected"
    lengths = f"{said.input_tokens:,} tokens in{cached} and {said.output_tokens:,} out"
    load = f"{expected} with {requests} in flight, {lengths}"
    if said.speed is None:
        load = "Price"
    return ["", heading(paragraph(load)), columns(rows, indent="  ")]


def _derivation(derivation: Derivation) -> list[str]:

    d = derivation
    value = _amount(d.value, d.unit)
    if d.low != d.high:
        value += f", {_short(d.low, d.unit)} to {_short(d.high, d.unit)}"
    lines = [f"  = {value}"]
    if d.formula:
        lines.append(paragraph(d.formula, "  = "))
    rows, last = [], ""
    for given in d.inputs:
        # What comes from the same place as the line above says so once.
        rows.append((f"  {given.name}", _amount(given.value, given.unit), given.source if given.source != last else ""))
        last = given.source
    if rows:
        lines.append(columns(rows, indent="  "))
    lines.append(paragraph(f"from: {d.source}", "  "))
    lines += [paragraph(f"off by: {_error(error)}", "  ") for error in d.errors]
    return lines + ([paragraph(f"note: {d.note}", "  ")] if d.note else [])


def _error(error: Measured) -> str:
    if not error.count:
        return f"never measured ({error.logs})"
    means = [] if error.mean_fraction is None else [f"{_percent(error.mean_fraction)} on average"]
    if error.median_fraction is not None:
        means.append(f"{_percent(error.median_fraction)} median")
    return f"{', '.join(means)} (n = {error.count}: {error.logs})"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2g} %"


def _amount(value: object, unit: str) -> str:
    """`33.25 GiB (35,704,123,392 bytes)`, `0.0123 s`, `16`."""
    from infercli.core.units import gib

    if not isinstance(value, int | float) or isinstance(value, bool):
        return _shown(value)
    if unit == "bytes":
        return f"{value:,.0f} B" if abs(value) < 2**20 else f"{gib(value, 3)} ({value:,.0f} B)"
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 1e6 else f"{value:,.4g}"
    return f"{number} {unit}".rstrip()


def _short(value: float, unit: str) -> str:
    """As `_amount`, without the exact bytes."""
    return _amount(value, unit).partition(" (")[0]


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unset"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)
