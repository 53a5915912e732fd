"""`infercli diff`: what a deploy would change, for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import OF_A_FILE, RELEASING, Command
from infercli.cli.output import columns, emit, fits, paragraph
from infercli.errors import ExitCode

if TYPE_CHECKING:
    from infercli.core.record import Json
    from infercli.core.release.diff import ReleaseDiff


@click.command(cls=Command, instead=RELEASING, surplus=OF_A_FILE)
@options.place
@click.option("--plan", "plan_path", type=click.Path(dir_okay=False), help="A plan saved by `infercli plan --save`.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 when a deploy would change something.")
@options.common
def command(
    place: options.Place,
    plan_path: str | None,
    exit_code: bool,
    output: str,
) -> int:
    """Compare what a deploy would run with what runs, field by field. Nothing is changed.

    Says whether a new engine would start, what would change in the front, the routing and the Kubernetes objects, and
    whether KubeRay would have to build a second Ray cluster for it.

    \b
    Examples:
      infercli diff
      infercli diff --plan plan.json --exit-code
    """
    from infercli import __version__
    from infercli.actions.deploy import Request
    from infercli.actions.diff import diff
    from infercli.adapters.account import who
    from infercli.cli.deploying import ready

    found = ready(place, plan_path)
    request = Request(
        plan=found.plan,
        objects=found.objects,
        who=who(),
        infercli_version=__version__,
        timeout_s=0.0,  # nothing is waited for
    )
    seen = diff(request, found.world)
    emit(seen.model_dump(mode="json"), output, text(seen))
    return ExitCode.NO if exit_code and seen.changes else ExitCode.YES


_CLUSTER = {
    "none": "",
    "first": "builds the first Ray cluster",
    "same": "in place, in the Ray cluster that runs",
    "new": "KubeRay builds a second Ray cluster and drops the first when the second serves",
}


def text(seen: ReleaseDiff) -> str:
    """The differences for people."""
    if seen.revision is None:
        opening = f"{seen.name} is not deployed on {seen.where}: a deploy would bring up {seen.engine.app}"
    elif not seen.changes:
        return f"{seen.name} on {seen.where}: nothing would change; revision {seen.revision} is exactly this"
    else:
        opening = f"{seen.name} on {seen.where}, compared with revision {seen.revision}:"
    lines = [paragraph(opening)]
    if seen.ray_cluster != "none":
        gpus = f" (+{seen.more_gpus} GPUs while both run)" if seen.ray_cluster == "new" and seen.more_gpus else ""
        lines.append(paragraph(f"{_CLUSTER[seen.ray_cluster]}{gpus}", "  "))
    rows: list[tuple[str, str, str]] = []
    engine = seen.engine
    if engine.is_new:
        lines.append(f"  engine {engine.app} is new" + (f" (now {engine.was})" if engine.was else ""))
    rows += [(f"engine.{d.path}", _shown(d.was), _shown(d.becomes)) for d in engine.fields]
    rows += [(f"front.{d.path}", _shown(d.was), _shown(d.becomes)) for d in seen.front]
    rows += [(f"routes[{d.path}]", _shown(d.was), _shown(d.becomes)) for d in seen.routes]
    for one in seen.objects:
        if one.what != "changed":
            lines.append(f"  {one.kind}/{one.name} is {one.what}")
        rows += [(f"{one.kind}/{one.name}: {d.path}", _shown(d.was), _shown(d.becomes)) for d in one.fields]
    if rows:
        lines += ["", _table(rows)]
    if seen.steps:
        steps = [(str(number), says) for number, says in enumerate(seen.steps, 1)]
        lines += ["", "a deploy would:", columns(steps, indent="  ")]
    return "\n".join(lines)


def _table(rows: list[tuple[str, str, str]]) -> str:
    """Fields side by side, or on a narrow terminal below one another."""
    table = columns(rows, ("FIELD", "NOW", "THEN"), indent="  ")
    if fits(table):
        return table
    stacked = ((paragraph(f, "  "), columns([("now", was), ("then", then)], indent="    ")) for f, was, then in rows)
    return "\n".join(line for pair in stacked for line in pair)


MAX_SHOWN = 60
"""Characters of a value; -o json has all of it."""


def _shown(value: Json) -> str:
    if value is None:
        return "absent"
    said = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    said = " ".join(said.split())
    # The middle goes: two paths or digests differ at their ends.
    return said if len(said) <= MAX_SHOWN else f"{said[: MAX_SHOWN // 2]}...{said[-MAX_SHOWN // 2 :]}"
