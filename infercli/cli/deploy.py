"""`infercli deploy`: rehearsed (--dry-run) or done, and what to type next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import OF_A_FILE, RELEASING, Command
from infercli.cli.output import columns, document, emit, note
from infercli.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infercli.actions.deploy import Request
    from infercli.actions.steps import World
    from infercli.core.release import Entry


@click.command(cls=Command, instead=RELEASING, surplus=OF_A_FILE)
@options.place
@click.option("--plan", "plan_path", type=click.Path(dir_okay=False), help="A plan saved by `infercli plan --save`.")
@click.option("--reason", help="Why; kept in the history.")
@click.option(
    "--step",
    "steps",
    type=click.IntRange(1, 100),
    multiple=True,
    help="Shift to it in steps, each to this share in %: --step 5 --step 25.",
)
@click.option("--drop-previous", is_flag=True, help="Drop the engine that served before instead of keeping it warm.")
@click.option("--allow-downtime", is_flag=True, help="Replace in place when there is no GPU for a second engine.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and have the cluster validate it.")
@options.break_lock
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Local target: the port that Serve answers on. Default: as before, or 8000.",
)
@options.timeout("30m")
@options.common
def command(
    place: options.Place,
    plan_path: str | None,
    reason: str | None,
    steps: tuple[int, ...],
    drop_previous: bool,
    allow_downtime: bool,
    dry_run: bool,
    break_lock: bool,
    port: int | None,
    timeout_s: float,
    output: str,
) -> None:
    """Bring a deployment up beside what serves, verify it with a real completion, and shift requests to it.

    The engine that served before is kept warm until the next deploy, so that `infercli rollback` takes about a second.
    A new engine that fails is removed, and what served goes on serving.

    \b
    Examples:
      infercli deploy
      infercli deploy --plan plan.json --step 5 --step 25
      infercli deploy --target local
    """
    from infercli import __version__
    from infercli.actions.deploy import Request
    from infercli.adapters.account import who
    from infercli.cli.deploying import ready

    rising = sorted(set(steps))
    if list(steps) != rising:
        again = " ".join(f"--step {step}" for step in rising)
        raise InputError("--step: each must send more requests to the new engine than the one before", f"write {again}")
    found = ready(place, plan_path, port)
    request = Request(
        plan=found.plan,
        objects=found.objects,
        reason=reason,
        who=who(),
        infercli_version=__version__,
        weights=(*(w for w in steps if w < 100), 100),
        drop_previous=drop_previous,
        allow_downtime=allow_downtime,
        break_lock=break_lock,
        timeout_s=timeout_s,
    )
    (_rehearse if dry_run else _deploy)(request, found.world, output)


def _rehearse(request: Request, world: World, output: str) -> None:
    """Say what a deploy would do; in a cluster the API server validates every object and the first Serve config."""
    from infercli.actions.deploy import candidate, check_recorded, engine_of, prospect, settled, standing_now
    from infercli.cli.deploying import note_taken_back

    plan, history = request.plan, list(world.store.entries(request.plan.name))
    note_taken_back(engine_of(plan).app, history)
    now = standing_now(world, history)
    how, states = prospect(request, world, history, now)
    if states:
        check_recorded(request, world, history)
        entry = candidate(request, world, history)
        world.platform.validate(request.objects, world.compose(states[0].serving, [*history, entry]))
    said = [] if settled(request, world, history, now) else states
    rows = [(str(i), s.step, s.says) for i, s in enumerate(said, 1)]
    answer = document(
        "DeployDryRun",
        name=plan.name,
        fits=plan.fits,
        verdict=plan.verdict,
        strategy=how,
        states=[s.model_dump(mode="json") for s in said],
    )
    emit(answer, output, columns(rows) or f"{plan.name} serves exactly this already; nothing would change")


def _deploy(request: Request, world: World, output: str) -> None:
    from infercli.actions.deploy import deploy, engine_of
    from infercli.cli.deploying import note_taken_back
    from infercli.cli.interrupts import interruptible
    from infercli.core.units import duration

    plan, history = request.plan, world.store.entries(request.plan.name)
    note_taken_back(engine_of(plan).app, history)
    began = time.monotonic()
    with interruptible(f"`infercli status {plan.name}` says where it stands"):
        entry = deploy(request, world)
    unchanged = entry.number in {e.number for e in history}
    endpoint = world.platform.endpoint()
    seconds = time.monotonic() - began
    answer = document(
        "DeployResult",
        name=plan.name,
        fits=plan.fits,
        verdict=plan.verdict,
        revision=entry.number,
        engine=entry.revision.engine.app,
        changed=not unchanged,
        endpoint=endpoint,
        seconds=round(seconds, 2),
    )
    said = f"{plan.name} serves exactly this already as revision {entry.number}; nothing was changed"
    if not unchanged:
        said = f"{plan.name} revision {entry.number} serves ({entry.revision.engine.app}), in {duration(seconds)}"
    emit(answer, output, said)
    if output == "text" and not unchanged:
        _note_next(entry, world.store.entries(plan.name), endpoint)


def _note_next(entry: Entry, history: Sequence[Entry], endpoint: str | None) -> None:
    """How to ask what serves now, and how to take it back."""
    from infercli.actions.verifying import CHAT
    from infercli.cli.aimed import aimed
    from infercli.core.release import answers, rollback_target

    name = entry.revision.name
    path = answers(entry.revision.engine.app, history)
    how = f"infercli ask {name} 'Hello'" if path in (None, CHAT) else f"POST {endpoint}{path}"
    note(aimed(f"  ask it:      {how}"))
    back = rollback_target(history) is not None
    way = f"take it back: infercli rollback {name}" if back else f"take it away: infercli delete {name}"
    note(aimed(f"  {way}"))
