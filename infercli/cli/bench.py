"""bench."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import click

from infercli.cli import options

if TYPE_CHECKING:
    from infercli.cli.endpoint import Aim
    from infercli.core.bench import BenchResult, EngineTokens, Prompt
    from infercli.core.metrics import Distribution
    from infercli.core.traces import Api
    from infercli.loadgen.loop import Progress


@click.command()
@click.argument("where", required=False, metavar="[RELEASE|URL]")
@click.option("--model", help="Default: the release's, or the first that the endpoint lists.")
@click.option(
    "--concurrency", default=8, show_default=True, type=click.IntRange(1), help="Users, each waiting for its answer."
)
@click.option(
    "--requests", type=click.IntRange(1), help="How many to measure. Default: 64, unless --duration is given."
)
@click.option("--duration", metavar="DURATION", help="Begin requests for this long instead.")
@click.option(
    "--warmup", default=4, show_default=True, type=click.IntRange(0), help="Requests before measuring begins."
)
@click.option("--max-tokens", default=128, show_default=True, type=click.IntRange(1), help="Per answer.")
@click.option("--ignore-eos", is_flag=True, help="Always --max-tokens tokens (vLLM and SGLang).")
@click.option("--workload", help="Prompts: a file, or the name of a shipped one (chat).")
@click.option("--words", default=64, show_default=True, type=click.IntRange(1), help="Per synthetic prompt.")
@click.option("--seed", default=0, show_default=True, help="Of synthetic prompts.")
@click.option(
    "--api", type=click.Choice(["chat", "completions"]), default="chat", show_default=True, help="Which to call."
)
@click.option(
    "--save",
    "save_path",
    default="result.json",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="Raw traces and metrics.",
)
@options.deployment_file
@options.target
@options.cluster
@options.common
def command(
    where: str | None,
    model: str | None,
    concurrency: int,
    requests: int | None,
    duration: str | None,
    warmup: int,
    max_tokens: int,
    ignore_eos: bool,
    workload: str | None,
    words: int,
    seed: int,
    api: Api,
    save_path: str,
    deployment_path: str | None,
    target: str | None,
    namespace: str | None,
    kubeconfig: str | None,
    kube_context: str | None,
    output: str,
) -> int:
    """Measure latency and throughput of a release, or of any OpenAI-compatible endpoint, in a closed loop.

    Every request streams; times are the kernel's receive times where it gives them. Raw traces are kept in result.json:
    every metric can be computed from them again. Ctrl-C keeps what was measured. Exit code 4: no request was answered.

    \b
    Examples:
      infercli bench chat --concurrency 16 --requests 200
      infercli bench http://127.0.0.1:8000 --duration 30s --save before.json
    """
    from pathlib import Path

    from infercli import __version__
    from infercli.adapters.files import state_home, to_json, write_text
    from infercli.adapters.nvml import GpuSampler
    from infercli.adapters.openai_api import OpenAiApi
    from infercli.cli.endpoint import aim_at
    from infercli.cli.output import emit, note
    from infercli.core.bench import BenchResult, BenchTarget, digest_prompts
    from infercli.core.metrics import measure
    from infercli.core.traces import ClosedLoad
    from infercli.core.units import parse_duration_s
    from infercli.errors import EndpointError, ExitCode, InputError
    from infercli.loadgen.prompts import digest_key
    from infercli.loadgen.run import run
    from infercli.loadgen.target import Target

    if requests is not None and duration is not None:
        raise InputError("--requests and --duration both say when to end", "give one of them")
    try:
        duration_s = parse_duration_s(duration) if duration else None
    except ValueError as error:
        raise InputError(f"--duration: {error}") from error
    prompts, source = _prompts(workload, words, seed, requests or 64)
    aim = aim_at(where, model, deployment_path, target, namespace, kubeconfig, kube_context)
    if aim.release is not None and not aim.endpoint.is_loopback:
        raise InputError(
            f"{aim.release} answers inside the cluster only, at {aim.endpoint.url}",
            f"`kubectl port-forward service/{aim.release}-serve-svc 8000`, then `infercli bench http://127.0.0.1:8000` "
            "with INFERCLI_API_KEY; what the forwarding costs is measured with it",
        )
    if aim.model is None:
        models = OpenAiApi(aim.endpoint, api_key=aim.api_key).models()
        if not models:
            raise EndpointError(f"{aim.endpoint.url} lists no model", "name one with --model")
        aim = aim._replace(model=models[0])
    assert aim.model is not None
    load = ClosedLoad(
        concurrency=concurrency,
        requests=requests if requests is not None or duration_s else 64,
        duration_s=duration_s,
        warmup_requests=warmup,
        max_tokens=max_tokens,
        ignore_eos=ignore_eos,
    )
    before = _generated(aim)
    with _Bar() as bar, GpuSampler() as sampler:
        measured = run(
            Target(endpoint=aim.endpoint, model=aim.model, api=api, api_key=aim.api_key),
            load,
            prompts,
            bar.update,
        )
    local = aim.endpoint.is_loopback
    result = BenchResult(
        infercli_version=__version__,
        started_at=measured.started_at,
        target=BenchTarget(url=aim.endpoint.url, model=aim.model, api=api, release=aim.release),
        load=load,
        prompts=digest_prompts(prompts, source, digest_key(state_home() / "prompt-key")),
        metrics=measure(measured.traces),
        engine_tokens=_difference(before, _generated(aim)),
        telemetry=sampler.telemetry if local else None,
        telemetry_reason=sampler.reason if local else "no GPU telemetry: the endpoint is on another machine",
        client=measured.client,
        stopped=measured.stopped,
        traces=measured.traces,
    )
    write_text(Path(save_path), to_json(result.model_dump(mode="json")))
    emit(result.model_dump(mode="json", exclude={"traces"}), output, text(result))
    note(f"{save_path} has every request with its times")
    if measured.stopped == "interrupted":
        return ExitCode.INTERRUPTED
    return ExitCode.YES if result.metrics.answered else ExitCode.CANNOT_TELL


def _prompts(workload: str | None, words: int, seed: int, count: int) -> tuple[list[Prompt], str]:
    from pathlib import Path

    from infercli.adapters.files import read_document, shipped
    from infercli.core.bench import Workload
    from infercli.errors import UnknownName
    from infercli.loadgen.prompts import synthetic_prompts

    if workload is None:
        return list(synthetic_prompts(count, words, seed)), f"synthetic ({words} words, seed {seed})"
    path = Path(workload)
    if not path.exists():
        known = {p.stem: p for p in shipped("workloads").glob("*.yaml")}
        if workload not in known:
            raise UnknownName("workload", workload, known)
        path = known[workload]
    document = read_document(path, Workload)
    return list(document.prompts), f"workload {document.name}"


class _Bar:
    """Requests done and tokens per second, on a terminal only."""

    def __init__(self) -> None:
        import sys

        self.shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def update(self, progress: Progress) -> None:
        """Called by the loop a few times a second."""
        if self.shown:
            click.echo(f"\r\033[K  {_progress(progress)}", err=True, nl=False)

    def __exit__(self, *_: object) -> None:
        if self.shown:
            click.echo("\r\033[K", err=True, nl=False)


def _progress(progress: Progress) -> str:
    total = progress.total
    of = f" of {total}" if total else ""
    bar = f"[{'#' * round(20 * progress.done / total):.<20}] " if total else ""
    rate = f"{progress.output_tokens / progress.elapsed_s:,.0f} tokens/s" if progress.elapsed_s > 0 else ""
    phase = "warm-up: " if progress.warmup else ""
    return f"{bar}{phase}{progress.done}{of} requests, {progress.failed} failed, {rate}"


def _generated(aim: Aim) -> float | None:
    """vllm:generation_tokens_total of the engines that take requests; None where it cannot be read."""
    from infercli.core.release import live
    from infercli.errors import InferError

    if aim.world is None or aim.release is None:
        return None
    serving = live(aim.world.store.entries(aim.release))
    total = 0.0
    for app in [a for a, weight in (serving.routes if serving else {}).items() if weight]:
        try:
            answer = aim.world.platform.front("GET", "/metrics", engine=app)
        except InferError:
            return None
        if answer.status != 200:
            return None
        for line in answer.body.decode(errors="replace").splitlines():
            if line.startswith("vllm:generation_tokens_total"):
                total += float(line.rpartition(" ")[2])
    return total if serving and serving.routes else None


def _difference(before: float | None, after: float | None) -> EngineTokens | None:
    from infercli.core.bench import EngineTokens

    if before is None or after is None:
        return None
    return EngineTokens(
        source="vllm:generation_tokens_total, difference over the run", output_tokens=round(after - before)
    )


def text(result: BenchResult) -> str:
    """A result for people."""
    from infercli.cli.output import columns
    from infercli.core.bench import caveats

    m = result.metrics
    errors = ", ".join(f"{count} {kind}" for kind, count in m.errors.items())
    of = f"{m.answered} of {m.requests} requests answered" + (f"; failed: {errors}" if errors else "")
    lines = [f"{result.target.model} at {result.target.url}, {result.load.concurrency} at a time: {of}"]

    def number(value: float | None, unit: str) -> str:
        return "unknown" if value is None else f"{value:,.1f} {unit}"

    rates = [number(m.output_tokens_per_s, "output tokens/s"), number(m.requests_per_s, "requests/s")]
    lines += [f"{', '.join(rates)}, over {number(m.duration_s, 's')}", ""]

    def row(name: str, d: Distribution | None) -> tuple[str, ...]:
        if d is None:
            return (name, "unknown", "", "", "", "", "")
        return (name, *(f"{v * 1000:,.1f}" for v in (d.mean, d.p50, d.p90, d.p95, d.p99, d.max)))

    rows = [row("TTFT", m.ttft_s), row("TPOT", m.tpot_s), row("ITL", m.itl_s), row("end to end", m.e2e_s)]
    lines.append(columns(rows, ("MS", "MEAN", "P50", "P90", "P95", "P99", "MAX")))
    lines.append("")
    check = m.token_check
    counted = f"{m.output_tokens:,} output tokens; "
    counted += f"{check.equal} of {check.with_usage} answers came in as many frames as the server says tokens"
    if result.engine_agrees is not None and result.engine_tokens is not None:
        same = "the same" if result.engine_agrees else f"{result.engine_tokens.output_tokens:,}, which differs"
        counted += f"; the engine's own counter, warm-up included, says {same}"
    lines.append(counted)
    lines.append(_telemetry(result))
    lines += [f"caution: {c}" for c in caveats(result)]
    return "\n".join(lines)


def _telemetry(result: BenchResult) -> str:
    if result.telemetry is None:
        return result.telemetry_reason or "no GPU telemetry"
    parts = []
    for gpu in result.telemetry.gpus:
        used = [v for v in gpu.samples.memory_used_bytes if v is not None]
        energy = f"{gpu.energy_j:,.0f} J" if gpu.energy_j is not None else "energy unknown"
        peak = f"{max(used) / 2**30:.1f} GiB at most" if used else "memory unknown"
        parts.append(f"GPU {gpu.index} {gpu.name or ''}: {peak}, {energy}")
    return "; ".join(parts)
