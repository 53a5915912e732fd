"""`infercli delete`: asks, then takes a release away."""

from __future__ import annotations

import click

from infercli.cli import options
from infercli.cli.instead import DELETING, Command
from infercli.cli.output import confirm, document, emit


@click.command(cls=Command, instead=DELETING)
@click.argument("name", required=False)
@options.place
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--keep-history", is_flag=True, help="Keep the record of its revisions.")
@options.break_lock
@options.common
def command(
    name: str | None,
    place: options.Place,
    yes: bool,
    keep_history: bool,
    break_lock: bool,
    output: str,
) -> None:
    """Take a release away: its engines, its front, its objects and its history. Weights and keys stay.

    \b
    Examples:
      infercli delete chat
      infercli delete chat --yes -n prod
    """
    from infercli.actions.delete import delete
    from infercli.cli.interrupts import interruptible
    from infercli.cli.world import resolve

    name, world = resolve(name, place, left_over=True)
    confirm(f"Delete {name} on {world.platform.where}?", yes=yes)
    with interruptible(f"`infercli delete {name}` goes on"):
        delete(name, world, keep_history=keep_history, break_lock=break_lock)
    emit(document("DeleteResult", name=name), output, f"{name} is deleted")
