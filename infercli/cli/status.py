"""`infercli status`: one release, or a list of those that can be seen from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import RELEASING, Command
from infercli.cli.output import columns, document, emit, note
from infercli.errors import ExitCode, InferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infercli.actions.ports import ReleaseStore
    from infercli.actions.status import Status
    from infercli.core.record import Json
    from infercli.core.release import Measured


@click.command(cls=Command, instead=RELEASING)
@click.argument("name", required=False)
@options.place
@options.common
def command(
    name: str | None,
    place: options.Place,
    output: str,
) -> int:
    """Say what serves, what is changing and who is changing it; without NAME and deployment.yaml, list the releases.

    Exit code 0: the release serves as recorded, or is being changed; 3: it does not; 4: it cannot be told.

    \b
    Examples:
      infercli status
      infercli status chat -n prod -o json
    """
    from infercli.actions.status import status
    from infercli.cli.project import deployment_path
    from infercli.cli.world import resolve

    if name is None and place.deployment_path is None and not deployment_path(None).exists():
        _list(place, output)
        return ExitCode.YES
    name, world = resolve(name, place)
    seen = status(name, world.platform, world.store, world.compose)
    emit(seen.model_dump(mode="json"), output, _text(seen))
    if seen.state == "unknown" and not seen.drift:
        return ExitCode.CANNOT_TELL
    return ExitCode.YES if seen.state in ("serving", "changing") and not seen.drift else ExitCode.NO


def _list(place: options.Place, output: str) -> None:
    """Every release that can be seen from here: on this machine, and in the namespace of the context."""
    from infercli.actions.status import lease_and_history
    from infercli.cli.world import cluster_store, local_store
    from infercli.core.release import newest, serving, standing

    stores: list[tuple[str, ReleaseStore, Sequence[str]]] = []
    looked = []
    if place.target != "kubernetes":
        stores.append(("local", local_store(), local_store().names()))
        looked.append("on this machine")
    if place.target != "local":
        try:
            in_cluster = cluster_store(place)
            stores.append(("kubernetes", in_cluster, in_cluster.names()))
            looked.append(f"on {in_cluster.cluster.where}")
        except InferError as error:
            if place.target == "kubernetes" or place.names_cluster:
                raise
            note(f"no cluster was looked at: {error.message}")
    found: list[dict[str, Json]] = []
    for where, store, names in stores:
        for name in names:
            _, history = lease_and_history(name, store)
            good, last = serving(history), newest(history)
            if last is not None:
                revision = good.number if good else None
                found.append({"name": name, "target": where, "revision": revision, "newest": standing(last, history)})
    text = f"there is no release {', nor '.join(looked)}"
    if found:
        rows = [tuple("none" if value is None else str(value) for value in one.values()) for one in found]
        text = columns(rows, ("RELEASE", "TARGET", "REVISION", "NEWEST"))
    emit(document("ReleaseList", releases=found), output, text)
    elsewhere = [] if found else [other for _, store, _ in stores for other in store.elsewhere()]
    if elsewhere:
        note(f"there are some in namespace {', '.join(elsewhere)}: `infercli status -n {elsewhere[0]}`")


_COLOURS = {"serving": "green", "changing": "cyan", "degraded": "yellow", "down": "red", "unknown": "yellow"}


def _measured(m: Measured) -> str:
    from infercli.core.units import rounded

    rate = m.output_tokens_per_s
    parts = ["output rate unknown" if rate is None else f"{rounded(rate, 0)} output tokens/s"]
    if m.planned_output_tokens_per_s is not None:
        low, high = m.planned_output_tokens_per_s
        parts[0] += f" (planned {rounded(low, 0)} to {rounded(high, 0)})"
    parts += [f"TTFT p95 {m.ttft_p95_s * 1000:,.0f} ms"] if m.ttft_p95_s is not None else []
    parts += [f"TPOT {m.tpot_p50_s * 1000:,.1f} ms"] if m.tpot_p50_s is not None else []
    parts += [m.load, f"result {m.result}", m.at[:10]]
    return ", ".join(parts) + (", limited by the client" if m.client_limited else "")


def _text(seen: Status) -> str:
    from infercli.cli.aimed import aimed

    state = click.style(seen.state, fg=_COLOURS[seen.state], bold=True)
    lines = [f"{seen.name}: {state}, on {seen.where}: {seen.summary}"]
    newest = f"newest {seen.newest_revision} ({seen.newest_standing})"
    facts = [("revision", f"{seen.revision if seen.revision is not None else 'none was good'}; {newest}")]
    if seen.newest_message and seen.newest_standing not in ("serving", "superseded"):
        said = seen.newest_message.splitlines()
        facts += zip(["why", *[""] * (len(said) - 1)], said, strict=True)
    if seen.next:
        facts.append(("next", aimed(seen.next)))
    if seen.endpoint:
        facts.append(("endpoint", seen.endpoint))
    if seen.lease:
        facts.append(("changing", f"{seen.lease.operation} by {seen.lease.holder} since {seen.lease.acquired_at}"))
    if seen.front:
        facts.append(("front", f"{seen.front.current} of {seen.front.wanted} replicas route by the newest table"))
    if seen.measured:
        facts.append(("measured", _measured(seen.measured)))
    lines.append(columns(facts))
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
