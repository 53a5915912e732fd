"""`infercli logs`: of an engine that runs, or what was recorded of one that failed to start."""

from __future__ import annotations

import click

from infercli.cli import options
from infercli.cli.instead import RELEASING, Command
from infercli.cli.output import document, emit, note
from infercli.errors import InputError, UnknownName


@click.command(cls=Command, instead=RELEASING)
@click.argument("name", required=False)
@click.option("--engine", help="An engine of `infercli status`; default: the one that takes most requests.")
@click.option("--lines", default=200, show_default=True, type=click.IntRange(1), help="How many of the newest lines.")
@options.place
@options.common
def command(
    name: str | None,
    engine: str | None,
    lines: int,
    place: options.Place,
    output: str,
) -> None:
    """Print an engine's log: of the one that takes the release's requests, or of --engine.

    For an engine that failed to start and was removed, or where none runs, prints what was recorded of the failure.

    \b
    Examples:
      infercli logs chat
      infercli logs chat --engine chat-3f9a1c --lines 1000
    """
    from infercli.cli.world import resolve
    from infercli.core.release import live, newest

    name, world = resolve(name, place)
    history = world.store.entries(name)
    serving = live(history)
    engines = {} if serving is None else serving.engines
    failures = [e for e in history if e.progress.outcome == "failed" and (e.progress.said or e.progress.message)]
    said = {e.revision.engine.app: e.progress.said or e.progress.message for e in failures}
    if not engines and engine is None:
        failed = newest(failures)
        if failed is None:
            raise InputError(f"no engine of `{name}` runs on {world.platform.where}", f"`infercli status {name}`")
        engine = failed.revision.engine.app
        note(f"no engine of {name} runs: this was recorded of {engine} when revision {failed.number} failed")
    elif engine is None:
        engine = max(engines, key=lambda app: serving.routes.get(app, 0) if serving else 0)
    elif engine not in {*engines, *said}:
        raise UnknownName("engine", engine, {*engines, *said})
    if engine in engines:
        text = world.platform.logs(engine, lines)
    else:
        text = "\n".join((said[engine] or "").splitlines()[-lines:])
    emit(document("Logs", engine=engine, text=text), output, text.rstrip("\n"))
