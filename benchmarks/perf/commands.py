"""What infercli's commands cost, in CPU time and memory, beside a peer where there is one.

    .venv/bin/python benchmarks/perf/commands.py [--runs N] [--only LABEL]... [--offline] [--to FILE]

`--help` is measured beside huggingface_hub's `hf --help` and `helm --help`, `render` beside `helm template`, `status`
beside `helm status` and `kubectl get`, all in the same run and in turn. `plan` has no peer here: what estimates a
model's memory elsewhere reads its files over the network. Its search weighs 516 configurations for one load. Caches are
warm: byte code, and for `status` what the API server serves. `render` and `status` say more than their peers do, and in
Python rather than Go: the ratio is that of their costs, not of the same work.

The table goes to standard output and the numbers to benchmarks/results/perf-commands.json. What this machine cannot
measure is left out and said; nothing is carried over from an earlier run.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import processes
from processes import Command, machine

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "manifests" / "l4-awq"
RESULTS = ROOT / "benchmarks" / "results" / "perf-commands.json"
BIN = Path(sys.executable).parent
"""Not resolved: the environment's own folder, where `infercli` and `hf` are."""
RUNS = 15


@dataclass(frozen=True, kw_only=True)
class Row:
    """One of infercli's commands, its targets, and its peers."""

    command: Command
    peers: tuple[Command, ...] = ()
    target_cpu_s: float | None = None
    """None: no target was set."""
    target_memory_bytes: int | None = None


def offline_rows(helm: str | None) -> list[Row]:
    """Commands that contact nothing. `helm` None: it is not on this machine, and its rows are left out."""
    infercli = str(BIN / "infercli")
    shape = ["plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4"]
    load = shlex.split("--input-len 1000 --output-len 300 --rate 5 --slo ttft_p95=1s --slo tpot_p95=50ms")
    hardware = shlex.split("--profile l4-x4 --profile l40s --profile rtx4090 --profile h100")
    chart = str(ROOT / "charts" / "infercli-platform")
    helm_help, helm_template = (
        (_peer([helm, "--help"]), _peer([helm, "template", chart], "helm template CHART")) if helm else (None, None)
    )
    return [
        Row(
            command=Command(label="infercli --help", argv=[infercli, "--help"], folder=EXAMPLE),
            peers=_present(_peer([str(BIN / "hf"), "--help"]), helm_help),
            target_cpu_s=0.060,
        ),
        Row(
            command=Command(label="infercli plan MODEL --profile l4", argv=[infercli, *shape], folder=EXAMPLE),
            target_cpu_s=0.250,
            target_memory_bytes=80_000_000,
        ),
        Row(
            command=Command(
                label="infercli plan MODEL, a search of 516",
                argv=[infercli, "plan", shape[1], *load, *hardware],
                folder=EXAMPLE,
            ),
            target_cpu_s=1.0,
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=Command(label="infercli render", argv=[infercli, "render"], folder=EXAMPLE),
            peers=_present(helm_template),
            target_cpu_s=0.400,
        ),
    ]


def status_row(binaries: Path) -> Row:
    """`status` of the release that scratch_cluster.py deployed."""
    kubectl, helm = str(binaries / "kubectl"), str(binaries / "helm")
    return Row(
        command=Command(label="infercli status", argv=[str(BIN / "infercli"), "status", "chat"], folder=EXAMPLE),
        peers=(
            _peer([helm, "status", "infercli-chat", "-n", "infercli-platform"], "helm status RELEASE"),
            _peer([kubectl, "get", "rayservices,pods,secrets,leases", "-n", "chat"]),
        ),
        target_cpu_s=0.600,
    )


def _peer(argv: list[str], label: str | None = None) -> Command:
    return Command(label=label or " ".join([Path(argv[0]).name, *argv[1:]]), argv=argv, folder=EXAMPLE)


def _present(*commands: Command | None) -> tuple[Command, ...]:
    return tuple(c for c in commands if c is not None)


@contextmanager
def cluster(*, offline: bool) -> Iterator[dict[str, str]]:
    """The child that is a cluster; yields what it says of itself, `missing` where there can or shall be none."""
    if offline:
        yield {"missing": "the cluster, and helm with it (--offline)"}
        return
    argv = [sys.executable, str(Path(__file__).with_name("scratch_cluster.py")), str(EXAMPLE)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None  # it is a pipe
    try:
        line = child.stdout.readline()
        yield json.loads(line) if line else {"missing": "the scratch cluster did not start (see above)"}
    finally:
        child.communicate()


def environment(home: Path) -> dict[str, str]:
    """What every measured command gets: a home of its own, byte code may be kept, and `hf` has no network."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "COLUMNS": "100"}


def record(command: Command) -> dict[str, Any]:
    """A measured command as JSON. Memory is None where it cannot be told from the measuring process."""
    memory_bytes = int(processes.summary([float(b) for b in command.memory_bytes])["median"])
    told = memory_bytes > 1.02 * processes.memory_floor_bytes()
    return {
        "command": command.label,
        "runs": len(command.cpu_s),
        "cpu_s": {name: round(value, 4) for name, value in processes.summary(command.cpu_s).items()},
        "elapsed_s": {name: round(value, 4) for name, value in processes.summary(command.elapsed_s).items()},
        "peak_memory_bytes": memory_bytes if told else None,
    }


def results(rows: list[Row]) -> list[dict[str, Any]]:
    """Each of infercli's commands with its targets and, for each peer, the ratios of the medians."""
    found = []
    for row in rows:
        own = record(row.command)
        peers = [record(peer) for peer in row.peers]
        for peer in peers:
            peer["infercli_cpu_ratio"] = round(own["cpu_s"]["median"] / peer["cpu_s"]["median"], 2)
            peer["infercli_elapsed_ratio"] = round(own["elapsed_s"]["median"] / peer["elapsed_s"]["median"], 2)
            if own["peak_memory_bytes"] and peer["peak_memory_bytes"]:
                peer["infercli_memory_ratio"] = round(own["peak_memory_bytes"] / peer["peak_memory_bytes"], 2)
        targets = {"cpu_s": row.target_cpu_s, "peak_memory_bytes": row.target_memory_bytes}
        found.append({**own, "targets": targets, "peers": peers})
    return found


def table(measured: list[dict[str, Any]], floor_bytes: int) -> str:
    """The results for people; `ratio` is infercli's median CPU time by the peer's."""
    head = ("COMMAND", "CPU MEDIAN", "MIN", "MAX", "TARGET", "ELAPSED", "MEMORY", "TARGET", "RATIO")
    lines = [head]
    for own in measured:
        target_s, target_bytes = own["targets"]["cpu_s"], own["targets"]["peak_memory_bytes"]
        targets = (_ms(target_s) if target_s else "", _mb(target_bytes) if target_bytes else "")
        lines.append(_line(own, floor_bytes, *targets, ""))
        lines += [
            _line(peer, floor_bytes, "", "", f"{peer['infercli_cpu_ratio']:.2f} x", "  ") for peer in own["peers"]
        ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _line(
    one: dict[str, Any], floor_bytes: int, cpu: str, memory: str, ratio: str, indent: str = ""
) -> tuple[str, ...]:
    peak = one["peak_memory_bytes"]
    shown = _mb(peak) if peak is not None else f"under {_mb(floor_bytes)}"
    times = (_ms(one["cpu_s"][name]) for name in ("median", "min", "max"))
    return (indent + one["command"], *times, cpu, _ms(one["elapsed_s"]["median"]), shown, memory, ratio)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"


def parser(about: str, runs: int, results: Path) -> argparse.ArgumentParser:
    """The options of every measurement of commands."""
    options = argparse.ArgumentParser(description=about.splitlines()[0])
    options.add_argument("--runs", type=_count, default=runs, help="runs of each command after one to warm up")
    options.add_argument("--only", action="append", default=[], metavar="LABEL", help="rows with LABEL in their name")
    options.add_argument("--to", type=Path, default=results, metavar="FILE", help="where the numbers go")
    return options


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


def chosen(rows: list[Row], only: list[str]) -> list[Row]:
    """The rows that `--only` names; all without it."""
    return [row for row in rows if not only or any(label in row.command.label for label in only)]


def finish(kind: str, to: Path, measured: list[dict[str, Any]], left_out: list[str], **about: Any) -> int:
    """Print the table and write the numbers. Returns 1 where a command misses its target."""
    floor_bytes = processes.memory_floor_bytes()
    print(table(measured, floor_bytes))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    document = {
        "apiVersion": "infercli/v1",
        "kind": kind,
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **about,
        "memory_floor_bytes": floor_bytes,
        "results": measured,
        "left_out": left_out,
    }
    to.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    missed = [m["command"] for m in measured if misses(m)]
    for name in missed:
        print(f"misses its target: {name}", file=sys.stderr)
    return 1 if missed else 0


def main() -> int:
    """Measure what can be measured here."""
    options = parser(__doc__, RUNS, RESULTS)
    options.add_argument("--offline", action="store_true", help="no cluster: leaves out `status`, and helm as a peer")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="perf-home-") as home, cluster(offline=given.offline) as around:
        left_out = [around["missing"]] if "missing" in around else []
        binaries = Path(around["binaries"]) if "binaries" in around else None
        rows = offline_rows(str(binaries / "helm") if binaries else None)
        if binaries:
            rows.append(status_row(binaries))
        rows = chosen(rows, given.only)
        settings = environment(Path(home)) | ({"KUBECONFIG": around["kubeconfig"]} if binaries else {})
        cpu = processes.pin()
        began = machine(cpu)
        for row in rows:
            processes.measure([row.command, *row.peers], given.runs, settings)
    return finish("CommandCosts", given.to, results(rows), left_out, machine=began)


def misses(one: dict[str, Any]) -> bool:
    """Whether a measured command misses a target that was set for it."""
    pairs = (
        (one["cpu_s"]["median"], one["targets"]["cpu_s"]),
        (one["peak_memory_bytes"], one["targets"]["peak_memory_bytes"]),
    )
    return any(found is not None and target is not None and found > target for found, target in pairs)


if __name__ == "__main__":
    sys.exit(main())
