"""status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infercli.cli import options

if TYPE_CHECKING:
    from infercli.actions.status import Status


@click.command()
@click.argument("name", required=False)
@options.deployment_file
@options.target
@options.cluster
@options.common
def command(
    name: str | None,
    deployment_path: str | None,
    target: str | None,
    namespace: str | None,
    kubeconfig: str | None,
    kube_context: str | None,
    output: str,
) -> int:
    """Say what serves, what is changing and who is changing it.

    Exit code 0 while the release serves as recorded, 3 when it does not.

    \b
    Examples:
      infercli status
      infercli status chat -n prod -o json
    """
    from infercli.actions.status import status
    from infercli.cli.output import emit
    from infercli.cli.world import resolve
    from infercli.errors import ExitCode

    name, world = resolve(name, target, deployment_path, namespace, kubeconfig, kube_context)
    seen = status(name, world.platform, world.store, world.compose)
    emit(seen.model_dump(mode="json"), output, _text(seen))
    return ExitCode.YES if seen.state in ("serving", "changing") and not seen.drift else ExitCode.NO


_COLOURS = {"serving": "green", "changing": "cyan", "degraded": "yellow", "down": "red", "unknown": "yellow"}


def _text(seen: Status) -> str:
    from infercli.cli.output import columns

    state = click.style(seen.state, fg=_COLOURS[seen.state], bold=True)
    lines = [f"{seen.name}: {state}, on {seen.where}: {seen.summary}"]
    newest = f"newest {seen.newest_revision} ({seen.newest_standing})"
    lines.append(f"revision  {seen.revision if seen.revision is not None else 'none was good'}; {newest}")
    if seen.newest_message and seen.newest_standing not in ("serving", "superseded"):
        lines.append("why       " + "\n          ".join(seen.newest_message.splitlines()))
    if seen.endpoint:
        lines.append(f"endpoint  {seen.endpoint}")
    if seen.lease:
        lines.append(f"changing  {seen.lease.operation} by {seen.lease.holder} since {seen.lease.acquired_at}")
    if seen.front:
        lines.append(f"front     {seen.front.current} of {seen.front.wanted} replicas route by the newest table")
    if seen.engines:
        rows = [
            (
                e.app,
                str(e.revision) if e.revision is not None else "none",
                f"{e.weight_percent} %",
                e.status.lower().replace("_", " "),
                e.quantization or "unknown",
                e.model or "unknown",
            )
            for e in seen.engines
        ]
        lines += ["", columns(rows, ("ENGINE", "REVISION", "SHARE", "STATE", "QUANTIZATION", "MODEL"))]
        lines += [f"{e.app}: {e.message}" for e in seen.engines if e.message and e.status != "RUNNING"]
    if seen.drift:
        lines += ["", "what runs differs from what was recorded:", *(f"  {path}" for path in seen.drift)]
    return "\n".join(lines)
