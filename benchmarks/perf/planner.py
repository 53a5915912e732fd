"""What planning costs, in CPU time and memory: estimates in bulk, one plan, a search, beside peers' commands.

    .venv/bin/python benchmarks/perf/planner.py [--runs N] [--aiconfigurator FILE] [--llm-d-planner FILE] [--to FILE]

The peers are AIConfigurator (`pip install aiconfigurator`) and llm-d-planner (`pip install llm-d-planner[estimation]`),
each in an environment of its own; the options name their executables. They answer the same question (model, GPU,
lengths, objectives) by other means: AIConfigurator interpolates measured kernels and also looks at disaggregated
serving. The ratio is that of the costs of an answer, not of the same work. What does not run here is left out and said.

The table goes to standard output and the numbers to benchmarks/results/perf-planner.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import processes
from commands import BIN, ROOT, Row, environment, machine, misses, results, table
from processes import Command, CommandFailed

RESULTS = ROOT / "benchmarks" / "results" / "perf-planner.json"
RUNS = 5
MODELS = ("Qwen/Qwen3-32B", "meta-llama/Llama-3.1-8B-Instruct", "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3")
GPUS = ("H100", "A100", "L40S", "H200", "B200")
LENGTHS = ("--input-len", "1000", "--output-len", "300")
SEARCH = ("--rate", "5", "--slo", "ttft_p95=1s", "--slo", "tpot_p95=50ms")
MEMORY_LINES, SPEED_LINES = 1000, 300


def requests(count: int, *, workload: bool) -> str:
    """Lines of JSON that differ: models, GPUs, splits, lengths and, with a workload, concurrencies."""
    lines = []
    for i in range(count):
        line: dict[str, Any] = {
            "id": i,
            "model": MODELS[i % len(MODELS)],
            "gpu": GPUS[i // len(MODELS) % len(GPUS)],
            "tensor_parallel_size": (1, 2, 4, 8)[i // 20 % 4],
            "max_model_len": 4096 + 64 * (i // 80),
        }
        if workload:
            line["workload"] = {"input_len": 1000, "output_len": 300, "concurrency": 4 + i % 61}
        lines.append(json.dumps(line))
    return "\n".join(lines) + "\n"


def rows(folder: Path, aiconfigurator: str | None, llm_d: str | None) -> list[Row]:
    """The commands, run in `folder`, which nothing was learned in; a peer's path None leaves it out."""
    infercli = str(BIN / "infercli")
    memory, speed = folder / "memory.jsonl", folder / "speed.jsonl"
    memory.write_text(requests(MEMORY_LINES, workload=False))
    speed.write_text(requests(SPEED_LINES, workload=True))

    def own(label: str, *words: str, stdin: Path | None = None) -> Command:
        return Command(label=label, argv=[infercli, *words], folder=folder, stdin=stdin)

    def aic(label: str, *words: str) -> tuple[Command, ...]:
        asked = ("--model-path", "Qwen/Qwen3-32B", "--system", "h100_sxm", "--backend", "vllm")
        argv = [aiconfigurator or "", "cli", *words, *asked, "--isl", "1000", "--osl", "300"]
        return (Command(label=label, argv=argv, folder=folder),) if aiconfigurator else ()

    one = ("--model", "Qwen/Qwen3-32B", "--gpu", "H100", "--max-model-len", "8192")
    capacity = [llm_d or "", "plan", "--model", "Qwen/Qwen3-32B", "--gpu-memory", "80", "--max-model-len", "8192"]
    search = ("plan", "Qwen/Qwen3-32B", *LENGTHS, *SEARCH)
    return [
        Row(
            command=own("infercli estimate, one, memory", "estimate", *one),
            peers=(Command(label="llm-d-planner plan", argv=capacity, folder=folder),) if llm_d else (),
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=own(
                "infercli estimate, one, with speed",
                *("estimate", *one, "--tensor-parallel-size", "2", *LENGTHS, "--concurrency", "16"),
            ),
            peers=aic("aiconfigurator cli estimate", "estimate", "--batch-size", "16", "--tp-size", "2"),
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=own(f"infercli estimate, {MEMORY_LINES:,} lines of memory", "estimate", stdin=memory),
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=own(f"infercli estimate, {SPEED_LINES} lines with speed", "estimate", stdin=speed),
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=own("infercli plan, one", "plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4"),
            target_cpu_s=0.25,
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=own("infercli plan, a search of one profile", *search, "--profile", "h100-x8"),
            peers=aic(
                "aiconfigurator cli recommend",
                *("recommend", "--target-request-rate", "5", "--ttft", "1000", "--tpot", "50"),
            ),
            target_cpu_s=1,
            target_memory_bytes=120_000_000,
        ),
        Row(
            command=own("infercli plan, a search of all profiles", *search),
            target_memory_bytes=120_000_000,
        ),
    ]


def candidates(row: Row, settings: dict[str, str]) -> int | None:
    """How many configurations a search looked at; None: it is no search."""
    if "--rate" not in row.command.argv:
        return None
    argv = [*row.command.argv, "-o", "json"]
    done = subprocess.run(argv, cwd=row.command.folder, env=settings, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["candidates"])


def package(executable: str | None, name: str) -> str | None:
    """The version of a peer, as its own environment says it; None where it was not named, or says none."""
    if executable is None:
        return None
    python = str(Path(executable).with_name("python"))
    code = f"from importlib.metadata import version; print(version('{name}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip() or None


def without_broken(row: Row, settings: dict[str, str], left_out: list[str]) -> Row:
    """`row` with the peers that run here; the others go to `left_out` with the end of what they said."""
    running = []
    for peer in row.peers:
        try:
            processes.run_once(peer, settings)
        except CommandFailed as error:
            left_out.append(f"{peer.label}: {str(error).splitlines()[-1][:200]}")
        else:
            running.append(peer)
    return replace(row, peers=tuple(running))


def main() -> int:
    """Measure what runs here. Returns 1 where a command misses its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of each command after one to warm up")
    parser.add_argument("--only", action="append", default=[], metavar="LABEL", help="rows with LABEL in their name")
    parser.add_argument("--aiconfigurator", metavar="FILE", help="its executable")
    parser.add_argument("--llm-d-planner", metavar="FILE", help="its executable, `planner`")
    parser.add_argument("--to", type=Path, default=RESULTS, metavar="FILE", help="where the numbers go")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs must be at least 1")
    named = {"aiconfigurator": given.aiconfigurator, "llm-d-planner": given.llm_d_planner}
    left_out = [f"{name}: not named by --{name}" for name, executable in named.items() if executable is None]

    with tempfile.TemporaryDirectory(prefix="perf-planner-") as home:
        settings = environment(Path(home))
        found = rows(Path(home), given.aiconfigurator, given.llm_d_planner)
        found = [r for r in found if not given.only or any(label in r.command.label for label in given.only)]
        cpu = processes.pin()
        began = machine(cpu)
        found = [without_broken(row, settings, left_out) for row in found]
        for row in found:
            processes.run_once(row.command, settings)
            processes.measure([row.command, *row.peers], given.runs, settings, warm=True)
        looked_at = [candidates(row, settings) for row in found]
        ended = machine(cpu)["load_average"]

    measured, floor_bytes = results(found), processes.memory_floor_bytes()
    for one, count in zip(measured, looked_at, strict=True):
        one["candidates"] = count
    print(table(measured, floor_bytes))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    document = {
        "apiVersion": "infercli/v1",
        "kind": "PlannerCosts",
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": began | {"load_average_at_the_end": ended},
        "versions": {"infercli": version("infercli")} | {name: package(path, name) for name, path in named.items()},
        "memory_floor_bytes": floor_bytes,
        "results": measured,
        "left_out": left_out,
    }
    given.to.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    missed = [m["command"] for m in measured if misses(m)]
    for name in missed:
        print(f"misses its target: {name}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
