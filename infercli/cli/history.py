"""`infercli history`: the revisions of a release, as many columns of them as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import RELEASING, Command
from infercli.cli.output import columns, document, emit, last_column_fits

if TYPE_CHECKING:
    from infercli.core.record import Json
    from infercli.core.release import Entry

HEADER = ("REVISION", "STANDING", "ACTION", "ENGINE", "QUANTIZATION", "TOOK", "AT", "BY", "REASON")
NEEDED_LEAST = ("BY", "TOOK", "QUANTIZATION", "AT")
"""The columns that a narrow terminal does without, in this order."""


@click.command(cls=Command, instead=RELEASING)
@click.argument("name", required=False)
@options.place
@options.common
def command(
    name: str | None,
    place: options.Place,
    output: str,
) -> None:
    """List the revisions of a release, oldest first.

    The newest 50 are kept. Each deploy or rollback deletes older ones, but never what runs or what `rollback` would go
    to. To keep more, save the output of `-o json`.

    \b
    Examples:
      infercli history chat
      infercli history chat -o json
    """
    from infercli.actions.status import lease_and_history
    from infercli.cli.world import resolve
    from infercli.core.release import standings

    name, world = resolve(name, place)
    _, entries = lease_and_history(name, world.store)
    pairs = list(zip(entries, standings(entries, entries), strict=True))
    answer = document("History", name=name, revisions=[_data(e, how) for e, how in pairs])
    emit(answer, output, _fitting([HEADER, *(_row(e, how) for e, how in pairs)]))


def _data(entry: Entry, standing: str) -> dict[str, Json]:
    revision, progress = entry.revision, entry.progress
    return {
        "number": entry.number,
        "action": revision.action,
        "points_at": revision.points_at,
        "standing": standing,
        "outcome": progress.outcome,
        "step": progress.step,
        "message": progress.message,
        "created_at": revision.created_at,
        "created_by": revision.created_by,
        "seconds": progress.seconds,
        "engine": revision.engine.app,
        "model": revision.engine.spec.model_id,
        "model_digest": revision.engine.spec.model_digest,
        "quantization": revision.engine.spec.quantization,
        "reason": revision.reason,
    }


def _row(entry: Entry, standing: str) -> tuple[str, ...]:
    from infercli.core.units import duration

    revision, seconds = entry.revision, entry.progress.seconds
    return (
        str(entry.number),
        standing,
        f"rollback to {revision.points_at}" if revision.action == "rollback" else "deploy",
        revision.engine.app,
        revision.engine.spec.quantization,
        duration(seconds) if seconds is not None else "",
        revision.created_at,
        revision.created_by,
        " ".join((revision.reason or "").split()),
    )


def _fitting(table: Sequence[Sequence[str]]) -> str:
    """The columns that the terminal has room for; the last one is wrapped. JSON has them all."""
    for least in NEEDED_LEAST:
        if last_column_fits(table):
            break
        at = table[0].index(least)
        table = [[*row[:at], *row[at + 1 :]] for row in table]
    return columns(table[1:], table[0])
