"""What planning costs, in CPU time and memory: estimates in bulk, one plan, a search, beside peers' commands.

    .venv/bin/python benchmarks/perf/planner.py [--install] [--runs N] [--only LABEL]... [--to FILE]

The peers are AIConfigurator and llm-d-planner, each in an environment of its own: --install makes those outside the
repository, once; --aiconfigurator and --llm-d-planner name executables that are there. They answer the same question
(model, GPU, lengths, objectives) by other means: AIConfigurator interpolates measured kernels and also looks at
disaggregated serving. llm-d-planner asks the Hub for a model's config.json and safetensors headers; a Hub on this
machine answers it, so it waits for no network. Its recommendations have no command, only its Python; it looks them up
in the measurements that it brings, so they are asked for lengths that it has. The ratio is that of the costs of an
answer, not of the same work. Answers with the same terms are kept side by side. What does not run here is left out and
said.

The table goes to standard output and the numbers to benchmarks/results/perf-planner.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import processes
from commands import BIN, ROOT, Row, chosen, environment, finish, machine, parser, results
from processes import Command, CommandFailed

RESULTS = ROOT / "benchmarks" / "results" / "perf-planner.json"
RUNS = 5
PEERS = {"aiconfigurator": ("aiconfigurator", "0.12.0"), "llm-d-planner": ("llm-d-planner[estimation]", "0.3.3")}
"""Package and version that --install takes."""
EXECUTABLES = {"aiconfigurator": "aiconfigurator", "llm-d-planner": "planner"}
MODELS = ("Qwen/Qwen3-32B", "meta-llama/Llama-3.1-8B-Instruct", "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3")
GPUS = ("H100", "A100", "L40S", "H200", "B200")
LENGTHS = ("--input-len", "1000", "--output-len", "300")
SEARCH = ("--rate", "5", "--slo", "ttft_p95=1s", "--slo", "tpot_p95=50ms")
MEMORY_LINES, SPEED_LINES = 1000, 300
MEASURED_LENGTHS = ("--input-len", "512", "--output-len", "256")
MEASURED_PROFILES = ("h100", "h100-x2", "h100-x8", "a100-80", "a100-80-x4")
"""What llm-d-planner has measurements of Llama 3.1 8B for."""
RECOMMEND = """
from planner import DeploymentIntent, Planner
from planner.shared.schemas import SLOTargets, WorkloadProfile
planner = Planner()
planner.load_bundled_benchmarks()
intent = DeploymentIntent(use_case="chatbot_conversational", user_count=100,
    preferred_models=["meta-llama/Llama-3.1-8B-Instruct"], preferred_gpu_types=["H100", "A100-80"])
specification = planner.generate_specification(intent).model_copy(update={
    "workload_profile": WorkloadProfile(prompt_tokens=512, output_tokens=256, expected_qps=5),
    "slo_targets": SLOTargets(ttft_target_ms=1000, itl_target_ms=50, e2e_target_ms=1000 + 256 * 50)})
print(planner.generate_recommendations(specification).model_dump_json())
"""
"""The question of the search beside it, in llm-d-planner's Python."""
GIB = 2**30


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


def rows(folder: Path, aiconfigurator: str | None, llm_d: str | None, hub: str) -> list[Row]:
    """The commands, run in `folder`, which nothing was learned in; a peer's path None leaves it out.

    `hub`: the address of a Hub that has the models.
    """
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

    def llm_d_planner(label: str, executable: str, *words: str) -> tuple[Command, ...]:
        asks = {"HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "hub")}
        argv = [str(Path(llm_d or "planner").with_name(executable)), *words]
        return (Command(label=label, argv=argv, folder=folder, variables=asks),) if llm_d else ()

    def llm_d_plan(model: str, memory_gib: int, max_model_len: int) -> tuple[Command, ...]:
        asked = ("--model", model, "--max-model-len", str(max_model_len))
        memory = ("--gpu-memory", str(memory_gib), "--gpu-mem-util", "0.92")
        return llm_d_planner("llm-d-planner plan", EXECUTABLES["llm-d-planner"], "plan", *asked, *memory)

    row = partial(Row, target_memory_bytes=120_000_000)
    one = ("--model", "Qwen/Qwen3-32B", "--gpu", "H100", "--max-model-len", "8192")
    search = ("plan", "Qwen/Qwen3-32B", *LENGTHS, *SEARCH)
    return [
        row(
            command=own("infercli estimate, one, memory", "estimate", *one),
            peers=llm_d_plan("Qwen/Qwen3-32B", 80, 8192),
        ),
        row(
            command=own(
                "infercli estimate, one, with speed",
                *("estimate", *one, "--tensor-parallel-size", "2", *LENGTHS, "--concurrency", "16"),
            ),
            peers=aic("aiconfigurator cli estimate", "estimate", "--batch-size", "16", "--tp-size", "2"),
        ),
        row(command=own(f"infercli estimate, {MEMORY_LINES:,} lines of memory", "estimate", stdin=memory)),
        row(command=own(f"infercli estimate, {SPEED_LINES} lines with speed", "estimate", stdin=speed)),
        row(
            command=own("infercli plan, one", "plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4"),
            peers=llm_d_plan("meta-llama/Llama-3.1-8B-Instruct", 24, -1),
            target_cpu_s=0.25,
        ),
        row(
            command=own("infercli plan, a search of one profile", *search, "--profile", "h100-x8"),
            peers=(
                *aic(
                    "aiconfigurator cli recommend",
                    *("recommend", "--target-request-rate", "5", "--ttft", "1000", "--tpot", "50"),
                ),
                *llm_d_planner(
                    "llm-d-planner estimate",
                    *(EXECUTABLES["llm-d-planner"], "estimate", "--model", "Qwen/Qwen3-32B", *LENGTHS),
                    *("--gpu-list", "H100", "--max-gpus", "8", "--max-ttft", "1000", "--max-itl", "50"),
                ),
            ),
            target_cpu_s=1,
        ),
        row(
            command=own(
                "infercli plan, a search of five profiles",
                *("plan", "meta-llama/Llama-3.1-8B-Instruct", "--quantization", "none", *MEASURED_LENGTHS, *SEARCH),
                *(word for name in MEASURED_PROFILES for word in ("--profile", name)),
            ),
            peers=llm_d_planner("llm-d-planner in Python, recommendations", "python", "-c", RECOMMEND),
        ),
        row(command=own("infercli plan, a search of all profiles", *search)),
    ]


def candidates(row: Row, settings: dict[str, str]) -> int | None:
    """How many configurations a search looked at; None: it is no search."""
    if "--rate" not in row.command.argv:
        return None
    argv = [*row.command.argv, "-o", "json"]
    done = subprocess.run(argv, cwd=row.command.folder, env=settings, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["candidates"])


def memory_said(found: dict[str, Any]) -> dict[str, Any]:
    """What `infercli estimate` and `plan` say of one GPU: GiB, and requests of the longest length at a time."""
    terms = {term["name"]: term["bytes"] / GIB for term in found["memory"]["terms"]}
    settings = found["settings"] if "settings" in found else found["engine"]["engine_args"]
    return {
        "max_model_len": settings["max_model_len"],
        "weights_gib": round(terms["weights"], 2),
        "kv_cache_gib": round(terms["kv_cache"], 2),
        "concurrency": round(found["kv_cache"]["concurrency"], 2),
    }


def memory_planned(found: dict[str, Any]) -> dict[str, Any]:
    """The same of `planner plan`, whose GB are GiB."""
    return {
        "max_model_len": found["input_parameters"]["max_model_len"],
        "weights_gib": found["per_gpu_model_memory_gb"],
        "kv_cache_gib": found["allocatable_kv_cache_memory_gb"],
        "concurrency": found["max_concurrent_requests"],
    }


def cheapest_chosen(found: dict[str, Any]) -> dict[str, Any]:
    """What a search of `infercli plan` chose."""
    chosen = found["chosen"]["candidate"]
    return {
        "gpu": chosen["gpu"],
        "tensor_parallel_size": chosen["tensor_parallel_size"],
        "replicas": chosen["replicas"],
        "usd_per_h": found["chosen"]["cost"]["median_usd_per_h"],
    }


def cheapest_recommended(found: dict[str, Any]) -> dict[str, Any]:
    """The same of llm-d-planner's recommendations."""
    first = found["lowest_cost"][0]
    return {
        "gpu": first["gpu_config"]["gpu_type"],
        "tensor_parallel_size": first["gpu_config"]["tensor_parallel"],
        "replicas": first["gpu_config"]["replicas"],
        "usd_per_h": first["cost_per_hour_usd"],
    }


ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "infercli estimate, one, memory": memory_said,
    "infercli plan, one": memory_said,
    "llm-d-planner plan": memory_planned,
    "infercli plan, a search of five profiles": cheapest_chosen,
    "llm-d-planner in Python, recommendations": cheapest_recommended,
}
"""By label: what of a command's JSON can be laid beside another's."""


def answer(command: Command, settings: dict[str, str]) -> dict[str, Any] | None:
    """What a command answers, in the terms of ANSWERS; None: it is not in there."""
    if command.label not in ANSWERS:
        return None
    argv = [*command.argv, *(("-o", "json") if command.label.startswith("infercli") else ())]
    variables = settings | command.variables
    done = subprocess.run(argv, cwd=command.folder, env=variables, capture_output=True, text=True, check=True)
    return ANSWERS[command.label](json.loads(done.stdout[done.stdout.index("{") :]))


@contextmanager
def model_hub() -> Iterator[str]:
    """The address of a Hub that is a child."""
    argv = [sys.executable, str(Path(__file__).with_name("model_hub.py"))]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None  # it is a pipe
    try:
        yield child.stdout.readline().strip()
    finally:
        child.communicate()


def install(name: str, left_out: list[str]) -> str | None:
    """The executable of a peer in an environment outside the repository, made when it is not there.

    None: it cannot be made, and `left_out` says why.
    """
    sys.path.insert(0, str(ROOT))
    from benchmarks.perf.loadgen import peers

    try:
        return str(peers.installed(*PEERS[name]) / EXECUTABLES[name])
    except peers.PeerMissing as error:
        left_out.append(f"{name}: {error}")
        return None


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
            said = str(error).rpartition(f", not {peer.exit_code}: ")[2].splitlines()
            left_out.append(f"{peer.label}: {' '.join(said[-3:])[:300]}")
        else:
            running.append(peer)
    return replace(row, peers=tuple(running))


def main() -> int:
    """Measure what runs here."""
    options = parser(__doc__, RUNS, RESULTS)
    options.add_argument("--install", action="store_true", help="make the environments of peers that are not named")
    options.add_argument("--aiconfigurator", metavar="FILE", help="its executable")
    options.add_argument("--llm-d-planner", metavar="FILE", help="its executable, `planner`")
    given = options.parse_args()
    named = {"aiconfigurator": given.aiconfigurator, "llm-d-planner": given.llm_d_planner}
    left_out: list[str] = []
    if given.install:
        named = {name: executable or install(name, left_out) for name, executable in named.items()}
    else:
        left_out = [f"{name}: not named by --{name}" for name, executable in named.items() if executable is None]

    with tempfile.TemporaryDirectory(prefix="perf-planner-") as home, model_hub() as hub:
        settings = environment(Path(home))
        found = rows(Path(home), named["aiconfigurator"], named["llm-d-planner"], hub)
        found = chosen(found, given.only)
        cpu = processes.pin()
        began = machine(cpu)
        found = [without_broken(row, settings, left_out) for row in found]
        for row in found:
            processes.run_once(row.command, settings)
            processes.measure([row.command, *row.peers], given.runs, settings, warm=True)
        measured = results(found)
        for row, one in zip(found, measured, strict=True):
            one["candidates"] = candidates(row, settings)
            for command, its in zip((row.command, *row.peers), (one, *one["peers"]), strict=True):
                its["answer"] = answer(command, settings)
        ended = machine(cpu)["load_average"]

    about = {
        "machine": began | {"load_average_at_the_end": ended},
        "versions": {"infercli": version("infercli")} | {name: package(path, name) for name, path in named.items()},
    }
    return finish("PlannerCosts", given.to, measured, left_out, **about)


if __name__ == "__main__":
    sys.exit(main())
