"""local status, local stop."""

from __future__ import annotations

import click

from infercli.cli import options


@click.group()
def command() -> None:
    """Look at, or stop, the Ray on this machine.

    \b
    Examples:
      infercli local status
      infercli local stop
    """


@command.command("status")
@options.common
def status(output: str) -> int:
    """Say whether a Ray of infercli runs here, what it listens on and which release it holds.

    \b
    Example:
      infercli local status -o json
    """
    from infercli.adapters.local_ray import LocalRay
    from infercli.cli.output import columns, emit
    from infercli.cli.world import local_home, local_store
    from infercli.errors import ExitCode

    ray = LocalRay(local_home())
    running = ray.running()
    names = list(local_store().names())
    if running is None:
        answer = {"apiVersion": "infercli/v1", "kind": "LocalStatus", "running": False, "releases": names}
        emit(answer, output, "no Ray of infercli runs on this machine")
        return ExitCode.NO
    ports = ray.listening()
    everywhere = [p for p in ports if p[0] in ("0.0.0.0", "::")]  # noqa: S104  # looked for, not bound
    answer = {
        "apiVersion": "infercli/v1",
        "kind": "LocalStatus",
        "running": True,
        "pid": running.pid,
        "endpoint": f"http://127.0.0.1:{running.serve_port}",
        "dashboard": f"http://127.0.0.1:{running.dashboard_port}",
        "keys_dir": str(local_home() / "keys"),
        "releases": names,
        "listening": [{"address": a, "port": p, "process": n} for a, p, n in ports],
    }
    lines = [
        f"Ray runs as pid {running.pid}; releases: {', '.join(names) or 'none'}",
        f"endpoint  http://127.0.0.1:{running.serve_port}   API key: {local_home() / 'keys' / 'api-keys'}",
        "",
        columns([(a, str(p), n) for a, p, n in ports], ("ADDRESS", "PORT", "PROCESS")),
    ]
    if everywhere:
        lines += [
            "",
            f"{len(everywhere)} of these ports are open on all addresses: Ray binds them so whatever it is told.",
            "They ask for Ray's token; a firewall should keep others from them all the same.",
        ]
    emit(answer, output, "\n".join(lines))
    return ExitCode.YES


@command.command("stop")
@options.common
def stop(output: str) -> None:
    """End the Ray on this machine, with every engine in it. History and keys stay.

    \b
    Example:
      infercli local stop
    """
    from infercli.adapters.local_ray import LocalRay
    from infercli.cli.output import emit
    from infercli.cli.world import local_home

    ended = LocalRay(local_home()).stop()
    text = f"{ended} processes ended" if ended else "no Ray of infercli ran on this machine"
    emit({"apiVersion": "infercli/v1", "kind": "LocalStop", "processes": ended}, output, text)
