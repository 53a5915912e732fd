"""`infercli rollback`: what it will do is said before anything is changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import RELEASING, Command
from infercli.cli.output import document, emit, note

if TYPE_CHECKING:
    from infercli.actions.rollback import Way
    from infercli.core.release import Entry


@click.command(cls=Command, instead=RELEASING, surplus="the revision is a flag here: write --to {}")
@click.argument("name", required=False)
@click.option(
    "--to", type=click.IntRange(1), help="Go back to this revision; default: the newest that was good before."
)
@options.place
@click.option("--reason", help="Why; kept in the history.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@options.break_lock
@options.timeout("30m")
@options.common
def command(
    name: str | None,
    to: int | None,
    place: options.Place,
    reason: str | None,
    dry_run: bool,
    break_lock: bool,
    timeout_s: float,
    output: str,
) -> None:
    """Go back to the newest revision that was good.

    While its engine is kept warm, requests are only shifted, which takes about a second. Otherwise the engine is
    started again, which takes minutes and is said first. Replicas, front and objects come back as they were recorded:
    nothing is rendered anew.

    \b
    Examples:
      infercli rollback chat
      infercli rollback chat --to 3 --reason "wrong answers since 02:40"
    """
    from infercli import __version__
    from infercli.actions.deploy import standing_now
    from infercli.actions.rollback import rollback, way
    from infercli.adapters.account import who
    from infercli.cli.interrupts import interruptible
    from infercli.cli.world import resolve
    from infercli.core.units import duration

    began = time.monotonic()
    name, world = resolve(name, place)
    entry = None
    if dry_run:
        history = list(world.store.entries(name))
        how, aim = way(name, world, history, to, standing_now(world, history))
        said = _said(name, how, aim)
    else:
        with interruptible(f"`infercli status {name}` says where it stands"):
            how, entry = rollback(
                name,
                world,
                to=to,
                who=who(),
                reason=reason,
                infercli_version=__version__,
                timeout_s=timeout_s,
                tell=lambda how, aim: note(_said(name, how, aim)),
                break_lock=break_lock,
            )
        if how.states:
            took = duration(time.monotonic() - began)
            said = f"{name}: {_what(how, entry)} serves again after {took}, recorded as revision {entry.number}"
        else:
            said, entry = _said(name, how, entry), None
    answer = document(
        "RollbackResult",
        name=name,
        to=how.to,
        engine=how.app,
        is_shift=how.is_shift,
        states=[s.model_dump(mode="json") for s in how.states],
        revision=entry.number if entry else None,
        seconds=round(time.monotonic() - began, 3) if entry else None,
    )
    emit(answer, output, said)


def _what(how: Way, aim: Entry) -> str:
    return f"revision {how.to} ({how.app}, {aim.revision.engine.spec.quantization})"


def _said(name: str, how: Way, aim: Entry) -> str:
    what = _what(how, aim)
    if not how.states:
        return f"{name}: {what} serves already and takes every request: there is nothing to go back from"
    if how.is_shift:
        stay = "requests stay where they are; what was begun beside it, or changed in its replicas, front or objects"
        does = "a shift of requests" if how.moves else f"{stay}, is taken back"
        return f"{name}: back to {what}, which still runs: {does}"
    if how.new_cluster:
        return (
            f"{name}: back to {what}, which has other pods: a second Ray cluster is built beside the one that serves, "
            "which takes minutes, and twice the GPUs until the old one is gone"
        )
    said = f"{name}: back to {what}, which does not run: its engine is started first, which takes minutes"
    if how.lacks_replicas:
        said = f"{name}: back to {what}, whose replicas do not all run: those missing are started, which takes minutes"
    if any(s.step == "stop" for s in how.states):
        said += "; there is no GPU for both, so requests get 503 meanwhile"
    return said
