"""`infercli models`: whose shape ships with infercli, and what is pinned here."""

from __future__ import annotations

from pathlib import Path

import click

from infercli.cli import options
from infercli.cli.output import columns, document, emit
from infercli.errors import InputError


@click.command()
@click.argument("words", nargs=-1)
@options.common
def command(words: tuple[str, ...], output: str) -> None:
    """List the models that can be planned offline, and those in models.lock.yaml; WORDS narrow the list by name.

    \b
    Examples:
      infercli models
      infercli models qwen3 8b
    """
    from infercli.cli.project import load_lock
    from infercli.core.shapes import shapes

    pinned = {m.id: m.commit or m.content_digest for m in load_lock(Path()).models}
    table = []
    for model_id, shape in sorted(shapes().items()):
        table.append({"id": model_id, "parameters": shape.parameters, "pinned": pinned.pop(model_id, None)})
        table[-1]["source"] = shape.source
    table += [{"id": i, "parameters": None, "pinned": at, "source": "models.lock.yaml"} for i, at in pinned.items()]
    chosen = [row for row in table if all(w.lower() in str(row["id"]).lower() for w in words)]
    if not chosen:
        raise InputError(
            f"no model here has {' and '.join(f'`{w}`' for w in words)} in its name", "`infercli models` lists all"
        )
    rows = [
        (
            str(r["id"]),
            f"{float(str(r['parameters'])) / 1e9:.2f} B" if r["parameters"] else "in its files",
            str(r["pinned"])[:12] if r["pinned"] else "no",
        )
        for r in chosen
    ]
    emit(document("ModelList", models=chosen), output, columns(rows, ("MODEL", "PARAMETERS", "PINNED")))
