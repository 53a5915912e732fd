"""rollback."""

from __future__ import annotations

import click

from infercli.cli import options


@click.command()
@click.argument("name", required=False)
@click.option("--to", type=click.IntRange(1), help="This revision; default: the newest that was good before.")
@options.deployment_file
@options.target
@options.cluster
@click.option("--reason", help="Why; kept in the history.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--break-lock", is_flag=True, help="Take the lock from a holder that is gone.")
@options.timeout("30m")
@options.common
def command(
    name: str | None,
    to: int | None,
    deployment_path: str | None,
    target: str | None,
    namespace: str | None,
    kubeconfig: str | None,
    kube_context: str | None,
    reason: str | None,
    dry_run: bool,
    break_lock: bool,
    timeout: str,
    output: str,
) -> None:
    """Go back to the newest revision that was good.

    While its engine is kept warm this is a shift of requests and takes about a second; otherwise the engine is started
    again from the recorded revision, which is said first. Nothing is rendered anew.

    \b
    Examples:
      infercli rollback chat
      infercli rollback chat --to 3 --reason "wrong answers since 02:40"
    """
    import time

    from infercli import __version__
    from infercli.actions.deploy import standing_now
    from infercli.actions.rollback import rollback, way
    from infercli.cli.output import emit, note
    from infercli.cli.world import resolve, who
    from infercli.core.units import duration, parse_duration_s
    from infercli.errors import InputError

    began = time.monotonic()
    try:
        timeout_s = parse_duration_s(timeout)
    except ValueError as error:
        raise InputError(f"--timeout: {error}") from error
    name, world = resolve(name, target, deployment_path, namespace, kubeconfig, kube_context)
    history = list(world.store.entries(name))
    how, aim = way(name, history, to, standing_now(world, history))
    quantization = aim.revision.engine.spec.quantization
    what = f"revision {how.to} ({how.app}, {quantization})"
    if not how.states:
        said = f"{name}: {what} serves already, with every request; nothing to go back to was found after it"
    elif how.is_shift:
        said = f"{name}: back to {what}, which still runs: a shift of requests"
    elif how.new_cluster:
        said = f"{name}: back to {what}, whose pods are other ones: a Ray cluster is built beside the one that serves, "
        said += "which takes minutes and its GPUs twice until the old one is gone"
    else:
        said = f"{name}: back to {what}, which was dropped: its engine is started again first, which takes minutes"
        if any(s.step == "stop" for s in how.states):
            said += "; there is no GPU for both, so requests get 503 meanwhile"
    entry = None
    if how.states and not dry_run:
        note(said)
        how, entry = rollback(
            name,
            world,
            to=to,
            who=who(),
            reason=reason,
            infercli_version=__version__,
            timeout_s=timeout_s,
            break_lock=break_lock,
        )
        world.watcher.done()  # type: ignore[attr-defined]
        took = duration(time.monotonic() - began)
        said = f"{name}: {what} serves again after {took}, recorded as revision {entry.number}"
    answer = {
        "apiVersion": "infercli/v1",
        "kind": "RollbackResult",
        "name": name,
        "to": how.to,
        "engine": how.app,
        "is_shift": how.is_shift,
        "states": [s.model_dump(mode="json") for s in how.states],
        "revision": entry.number if entry else None,
        "seconds": round(time.monotonic() - began, 3) if entry else None,
    }
    emit(answer, output, said)
