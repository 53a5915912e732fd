"""deploy."""

from __future__ import annotations

import click

from infercli.cli import options


@click.command()
@options.deployment_file
@click.option("--plan", "plan_path", type=click.Path(dir_okay=False), help="A plan saved by `infercli plan --save`.")
@options.target
@options.cluster
@click.option("--reason", help="Why; kept in the history.")
@click.option("--step", "steps", type=click.IntRange(1, 100), multiple=True, help="Share in %, one shift each: 5, 25.")
@click.option("--drop-previous", is_flag=True, help="Drop the engine that served before, instead of keeping it warm.")
@click.option("--allow-downtime", is_flag=True, help="Replace in place when there is no GPU for a second engine.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and let the cluster validate it.")
@options.break_lock
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Local target: where Serve answers. Default: where it did before, or 8000.",
)
@options.timeout("30m")
@options.common
def command(
    deployment_path: str | None,
    plan_path: str | None,
    target: str | None,
    namespace: str | None,
    kubeconfig: str | None,
    kube_context: str | None,
    reason: str | None,
    steps: tuple[int, ...],
    drop_previous: bool,
    allow_downtime: bool,
    dry_run: bool,
    break_lock: bool,
    port: int | None,
    timeout: str,
    output: str,
) -> None:
    """Bring a deployment up beside what serves, verify it with a real completion, and shift requests to it.

    What served before is kept warm, so that `infercli rollback` takes about a second; the next deploy drops it. A new
    engine that fails is taken out again, and what served goes on serving.

    \b
    Examples:
      infercli deploy
      infercli deploy --plan plan.json --step 5 --step 25
      infercli deploy --target local
    """
    import time

    from infercli.actions.deploy import deploy, settled, standing_now
    from infercli.actions.waiting import CHAT
    from infercli.cli.aimed import aimed
    from infercli.cli.deploying import prepare_request
    from infercli.cli.interrupts import interruptible
    from infercli.cli.output import columns, emit, note
    from infercli.core.release import answers, rollback_target
    from infercli.core.units import duration

    request, world, plan = prepare_request(
        deployment_path=deployment_path,
        plan_path=plan_path,
        target=target,
        namespace=namespace,
        kubeconfig=kubeconfig,
        kube_context=kube_context,
        port=port,
        reason=reason,
        weights=(*(w for w in steps if w < 100), 100),
        drop_previous=drop_previous,
        allow_downtime=allow_downtime,
        break_lock=break_lock,
        timeout=timeout,
    )
    history = list(world.store.entries(plan.name))
    if dry_run:
        from infercli.cli.deploying import dry_run as run_dry

        how, states = run_dry(request, world, history)
        said = [] if settled(request, world, history, standing_now(world, history)) else states
        rows = [(str(i), s.step, s.says) for i, s in enumerate(said, 1)]
        text = columns(rows) if rows else f"{plan.name} serves exactly this already; nothing would change"
        dry = {
            "apiVersion": "infercli/v1",
            "kind": "DeployDryRun",
            "name": plan.name,
            "fits": plan.fits,
            "verdict": plan.verdict,
            "strategy": how,
            "states": [s.model_dump(mode="json") for s in said],
        }
        emit(dry, output, text)
        return
    began = time.monotonic()
    with interruptible(f"`infercli status {plan.name}` says where it stands"):
        entry = deploy(request, world)
    unchanged = entry.number in {e.number for e in history}
    world.watcher.done()  # type: ignore[attr-defined]
    endpoint = world.platform.endpoint()
    seconds = time.monotonic() - began
    answer = {
        "apiVersion": "infercli/v1",
        "kind": "DeployResult",
        "name": plan.name,
        "fits": plan.fits,
        "verdict": plan.verdict,
        "revision": entry.number,
        "engine": entry.revision.engine.app,
        "changed": not unchanged,
        "endpoint": endpoint,
        "seconds": round(seconds, 2),
    }
    if unchanged:
        emit(answer, output, f"{plan.name} serves exactly this already as revision {entry.number}; nothing was changed")
        return
    emit(
        answer,
        output,
        f"{plan.name} revision {entry.number} serves ({entry.revision.engine.app}), in {duration(seconds)}",
    )
    if output == "text":
        history = list(world.store.entries(plan.name))
        path = answers(entry.revision.engine.app, history)
        how = f"infercli ask {plan.name} 'Hello'" if path in (None, CHAT) else f"POST {endpoint}{path}"
        note(aimed(f"  ask it:      {how}"))
        back = rollback_target(history) is not None
        way = f"take it back: infercli rollback {plan.name}" if back else f"take it away: infercli delete {plan.name}"
        note(aimed(f"  {way}"))
