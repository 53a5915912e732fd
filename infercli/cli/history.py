"""history."""

from __future__ import annotations

from collections.abc import Sequence

import click

from infercli.cli import options

NEEDED_LEAST = ("BY", "TOOK", "QUANTIZATION", "AT")
"""The columns that a narrow terminal does without, in this order."""


@click.command()
@click.argument("name", required=False)
@options.place
@options.common
def command(
    name: str | None,
    place: options.Place,
    output: str,
) -> None:
    """List the revisions of a release, oldest first.

    The newest 50 are kept; older ones go with the next deploy or rollback, but for what runs and what `rollback` would
    go to. What is to be kept for longer: write `-o json` to a file.

    \b
    Examples:
      infercli history chat
      infercli history chat -o json
    """
    from infercli.actions.status import lease_and_history
    from infercli.cli.output import emit
    from infercli.cli.world import resolve
    from infercli.core.release import standings
    from infercli.core.units import duration
    from infercli.errors import InputError

    name, world = resolve(name, place)
    _, entries = lease_and_history(name, world.store)
    if not entries:
        raise InputError(f"there is no release `{name}` on {world.platform.where}", "`infercli deploy` makes one")
    stands = standings(entries, entries)
    answer = {
        "apiVersion": "infercli/v1",
        "kind": "History",
        "name": name,
        "revisions": [
            {
                "number": e.number,
                "action": e.revision.action,
                "points_at": e.revision.points_at,
                "standing": how,
                "outcome": e.progress.outcome,
                "step": e.progress.step,
                "message": e.progress.message,
                "created_at": e.revision.created_at,
                "created_by": e.revision.created_by,
                "seconds": e.progress.seconds,
                "engine": e.revision.engine.app,
                "model": e.revision.engine.spec.model_id,
                "model_digest": e.revision.engine.spec.model_digest,
                "quantization": e.revision.engine.spec.quantization,
                "reason": e.revision.reason,
            }
            for e, how in zip(entries, stands, strict=True)
        ],
    }
    rows = [
        (
            str(e.number),
            how,
            f"rollback to {e.revision.points_at}" if e.revision.action == "rollback" else "deploy",
            e.revision.engine.app,
            e.revision.engine.spec.quantization,
            duration(e.progress.seconds) if e.progress.seconds is not None else "",
            e.revision.created_at,
            e.revision.created_by,
            " ".join((e.revision.reason or "").split()),
        )
        for e, how in zip(entries, stands, strict=True)
    ]
    header = ("REVISION", "STANDING", "ACTION", "ENGINE", "QUANTIZATION", "TOOK", "AT", "BY", "REASON")
    emit(answer, output, _fitting([header, *rows]))


def _fitting(table: Sequence[Sequence[str]]) -> str:
    """The columns that the terminal has room for; the last one is wrapped. JSON has them all."""
    from infercli.cli.output import columns, last_column_fits

    for least in NEEDED_LEAST:
        if last_column_fits(table):
            break
        at = table[0].index(least)
        table = [[*row[:at], *row[at + 1 :]] for row in table]
    return columns(table[1:], table[0])
