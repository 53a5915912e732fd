"""`infercli local`: the Ray on this machine, whatever runs on it."""

from __future__ import annotations

import click

from infercli.cli import options
from infercli.cli.output import columns, confirm, document, emit, paragraph
from infercli.errors import ExitCode


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at, or stop, the Ray on this machine.

    \b
    Examples:
      infercli local status
      infercli local stop
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command("status", short_help="Say whether Ray runs here, on which ports, for which release.")
@options.common
def status(output: str) -> int:
    """Say whether a Ray of infercli runs here, what it listens on and which release it holds.

    \b
    Example:
      infercli local status -o json
    """
    from infercli.adapters.local.ray import EVERYWHERE, LocalRay
    from infercli.cli.world import local_home, local_store

    ray = LocalRay(local_home())
    running = ray.running()
    names = list(local_store().names())
    if running is None:
        answer = document("LocalStatus", running=False, releases=names)
        emit(answer, output, "no Ray of infercli runs on this machine")
        return ExitCode.NO
    ports = ray.listening()
    everywhere = sum(address in EVERYWHERE for address, _, _ in ports)
    answer = document(
        "LocalStatus",
        running=True,
        pid=running.pid,
        endpoint=f"http://127.0.0.1:{running.serve_port}",
        dashboard=f"http://127.0.0.1:{running.dashboard_port}",
        keys_dir=str(local_home() / "keys"),
        releases=names,
        listening=[{"address": a, "port": p, "process": n} for a, p, n in ports],
    )
    keys = str(local_home() / "keys" / "api-keys")
    lines = [
        f"Ray runs as pid {running.pid}; releases: {', '.join(names) or 'none'}",
        columns([("endpoint", f"http://127.0.0.1:{running.serve_port}"), ("API keys", keys)]),
        "",
        columns([(a, str(p), n) for a, p, n in ports], ("ADDRESS", "PORT", "PROCESS")),
    ]
    if everywhere:
        opened = f"{everywhere} of these ports are open on all addresses: Ray opens them so whatever it is told. "
        lines += ["", paragraph(opened + "They ask for Ray's token; keep others from them by a firewall all the same.")]
    emit(answer, output, "\n".join(lines))
    return ExitCode.YES


@command.command("stop")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.common
def stop(yes: bool, output: str) -> None:
    """End the Ray on this machine, with every engine in it. History and keys stay.

    It asks first while a release serves on it or is being changed.

    \b
    Example:
      infercli local stop
    """
    from infercli.adapters.local.ray import LocalRay
    from infercli.cli.world import local_home

    ray = LocalRay(local_home())
    used = _used() if ray.running() is not None else []
    if used:
        confirm(f"{'; '.join(used)}. Stop the Ray on this machine?", yes=yes)
    ended = ray.stop()
    text = f"{ended} processes ended" if ended else "no Ray of infercli ran on this machine"
    emit(document("LocalStop", processes=ended), output, text)


def _used() -> list[str]:
    """What ends with this Ray, a sentence for each: releases that take requests, and those that somebody changes."""
    from infercli.cli.world import local_store
    from infercli.core.release import live

    store, used = local_store(), []
    for name in store.names():
        lease, now = store.lease(name), live(store.entries(name))
        apps = sorted(now.routed) if now is not None else []
        if apps:
            used.append(f"{name} serves ({', '.join(apps)})")
        if lease is not None:
            used.append(f"{name} is being changed by {lease.holder} ({lease.operation} since {lease.acquired_at})")
    return used
