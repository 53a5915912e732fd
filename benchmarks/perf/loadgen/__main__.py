"""What load generators cost and how true their numbers are: infercli, vllm bench serve, guidellm, aiperf, in one run.

    python -m benchmarks.perf.loadgen [--tools NAME,...] [--scenarios NAME,...] [--runs N] [-o FILE]

Every tool sends the same closed loop to the same server, which knows when it sent each token (server.c); tools take
turns. CPU is that of all of a tool's processes, told apart into what it uses before its first request arrives, from
then to 50 ms after the last token, and after that. Times are the tool's own, beside the server's stamps: `error` is by
request (TTFT) or gap (ITL), where its result files have them. `floor` is a C client that only reads: what it costs is
the kernel's part, on this machine and in this minute.

Peers are installed outside the repository on first use (6 GB, and the engine's environment). What does not run here is
left out and said. Run it on a quiet machine: the load average is in the result.

The table (medians of the runs) goes to standard output and the numbers to benchmarks/results/perf-loadgen.json. Exit
code 1: infercli misses a target.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.perf.loadgen import report
from benchmarks.perf.loadgen.peers import PeerMissing
from benchmarks.perf.loadgen.scoring import Load, NotMeasured, score
from benchmarks.perf.loadgen.server import Schedule, Server, ServerError
from benchmarks.perf.loadgen.tools import TOKENS, TOOLS, Tool
from benchmarks.perf.loadgen.watching import watch
from benchmarks.perf.processes import Command, machine

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "benchmarks" / "results" / "perf-loadgen.json"
LIMIT_S = 600.0
"""For one run of one tool."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A load and the schedule that it meets."""

    text: str
    streams: int
    requests: int
    schedule: Schedule


SCENARIOS = {
    # guidellm reports nothing of a single request.
    "start": Scenario(text="one stream, two requests", streams=1, requests=2, schedule=Schedule()),
    "closed-64": Scenario(text="64 streams, TTFT 100 ms, ITL 15 ms", streams=64, requests=256, schedule=Schedule()),
    "closed-256": Scenario(text="256 streams, TTFT 100 ms, ITL 15 ms", streams=256, requests=1024, schedule=Schedule()),
    "spread-256": Scenario(
        text="256 streams, TTFT 100 to 115 ms, ITL 15 ms, tokens evenly in time: a wake-up for each",
        streams=256,
        requests=1024,
        schedule=Schedule(spread_s=0.015),
    ),
    "steps-256": Scenario(
        text="256 streams, all at the same steps of 15 ms, as an engine makes them",
        streams=256,
        requests=1024,
        schedule=Schedule(pace="steps"),
    ),
    "flood-64": Scenario(
        text="64 streams, tokens without delay", streams=64, requests=2048, schedule=Schedule(pace="flood")
    ),
    "closed-1024": Scenario(
        text="1,024 streams, TTFT 100 ms, ITL 15 ms", streams=1024, requests=2048, schedule=Schedule()
    ),
}


def environment(tool: Tool, home: Path) -> dict[str, str]:
    """What a tool gets: a home of its own, byte code may be kept, nobody is told that it ran."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "COLUMNS": "100"}
    return {**kept, **quiet, "HOME": str(home), **tool.variables}


def run(tool: Tool, scenario: Scenario) -> dict[str, Any]:
    """One run. Raises NotMeasured."""
    with tempfile.TemporaryDirectory(prefix="loadgen-run-") as name:
        folder = Path(name)
        with Server(scenario.schedule) as server:
            argv = tool.argv(server.url, scenario.streams, scenario.requests, folder)
            command = Command(label=tool.name, argv=argv, folder=folder)
            began = round(os.getloadavg()[0], 2)
            watched = watch(command, environment(tool, folder), LIMIT_S)
        if watched.exit_code is None:
            raise NotMeasured(f"it was not done after {LIMIT_S:.0f} s")
        if watched.exit_code not in tool.exit_codes:
            raise NotMeasured(f"it ended with {watched.exit_code}: {' '.join(watched.said.split())[-300:]}")
        assert server.served is not None  # it has ended
        load = Load(streams=scenario.streams, requests=scenario.requests, tokens=TOKENS)
        try:
            told = tool.report(folder, server.answers)
        except (OSError, KeyError, ValueError) as error:
            raise NotMeasured(f"its result cannot be read: {error!r}") from error
        return {**score(watched, server.answers, server.served, told, load), "load_average": began}


def prepare(names: list[str], left_out: list[str]) -> tuple[list[Tool], dict[str, str]]:
    """The tools that can run here, warmed up by one request, and their versions. The others go to `left_out`."""
    tools, versions = [], {}
    for name in names:
        say(f"{name}: preparing")
        tool = TOOLS[name]()
        try:
            versions[name] = tool.prepare()
            run(tool, SCENARIOS["start"])
        except (PeerMissing, NotMeasured) as error:
            left_out.append(f"{name}: {error}")
        else:
            tools.append(tool)
    return tools, versions


def say(text: str) -> None:
    """Progress, to standard error."""
    print(f"{datetime.now(UTC):%H:%M:%S} load {os.getloadavg()[0]:.1f}: {text}", file=sys.stderr, flush=True)


def names(text: str, known: dict[str, Any]) -> list[str]:
    """A list after a comma-separated option."""
    found = [name for name in text.split(",") if name]
    unknown = [name for name in found if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(known)}")
    return found


def measure(tools: list[Tool], scenarios: list[str], runs: int, left_out: list[str]) -> list[dict[str, Any]]:
    """The results of all tools in turn. What could not be measured goes to `left_out`."""
    results = []
    for name in scenarios:
        for i in range(runs):
            for tool in tools:
                say(f"{name}: {tool.name}, run {i + 1} of {runs}")
                try:
                    results.append({"scenario": name, "tool": tool.name, **run(tool, SCENARIOS[name])})
                except NotMeasured as error:
                    left_out.append(f"{tool.name} in {name}: {error}")
    return results


def main() -> int:
    """Measure what runs here. Returns 1 where infercli misses a target."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.perf.loadgen",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tools", type=lambda text: names(text, TOOLS), default=list(TOOLS), metavar="NAME,...")
    parser.add_argument(
        "--scenarios", type=lambda text: names(text, SCENARIOS), default=list(SCENARIOS), metavar="NAME,..."
    )
    parser.add_argument("--runs", type=int, default=1, help="of each tool in each scenario, in turn")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, metavar="FILE", help="where the numbers go")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs must be at least 1")
    # As an exception it ends the tool and the server that run, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))

    left_out: list[str] = []
    try:
        tools, versions = prepare(given.tools, left_out)
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    began = machine()
    results = measure(tools, given.scenarios, given.runs, left_out)

    missed = report.misses(results)
    print(report.table({name: SCENARIOS[name].text for name in given.scenarios}, results))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    for line in missed:
        print(f"misses its target: {line}", file=sys.stderr)
    document = {
        "apiVersion": "infercli/v1",
        "kind": "LoadGeneratorCosts",
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": began | {"load_average_at_the_end": machine()["load_average"]},
        "versions": versions,
        "scenarios": {name: SCENARIOS[name].text for name in given.scenarios},
        "results": results,
        "left_out": left_out,
        "missed": missed,
    }
    given.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
