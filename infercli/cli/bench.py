"""bench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from infercli.cli import options
from infercli.cli.instead import Command


def _together(*parameters: Callable[[options.F], options.F]) -> Callable[[options.F], options.F]:
    """Several options as one decorator, listed in their order."""

    def apply(function: options.F) -> options.F:
        for parameter in reversed(parameters):
            function = parameter(function)
        return function

    return apply


_INSTEAD = {
    "--api-key": "keys come from INFERCLI_API_KEY, or from the file that INFERCLI_API_KEY_FILE names",
    "--backend": "every endpoint is an OpenAI-compatible one: write --api chat, completions or embeddings",
    "--base-url": "the URL is the first word: `infercli bench http://127.0.0.1:8000`",
    "--dataset-name": "write --workload; for random prompts --input-len and --output-len",
    "--dataset-path": "write --workload FILE --format FORMAT",
    "--endpoint": "write --api chat, completions or embeddings",
    "--goodput": "write --slo, for example --slo ttft_p95=1s",
    "--max-concurrency": "write --concurrency",
    "--num-prompts": "write --requests",
    "--percentile-metrics": "leave it out: every metric is measured, with its percentiles",
    "--random-input-len": "write --input-len",
    "--random-output-len": "write --output-len",
    "--request-rate": "write --rate",
    "--result-dir": "write --save FILE",
    "--result-filename": "write --save FILE",
    "--save-result": "write --save FILE, or leave it out: result.json is always written",
}
"""Options that other load generators have, and what they are here."""


_load = _together(
    click.option(
        "--concurrency",
        multiple=True,
        type=click.IntRange(1),
        help="Users, each waiting for its answer; with --rate, the most in flight. Again: another level.  [default: 8]",
    ),
    click.option(
        "--rate",
        multiple=True,
        type=click.FloatRange(0, min_open=True),
        help="Requests per second, whatever became of those before; of a --workload with turns: conversations. "
        "Again: another level.",
    ),
    click.option(
        "--arrivals",
        type=click.Choice(["poisson", "constant"]),
        help="How requests of a --rate are spaced.  [default: poisson]",
    ),
    click.option(
        "--burstiness",
        type=click.FloatRange(0, min_open=True),
        help="Gamma-distributed gaps instead: below 1 bunched, above 1 evener.",
    ),
    click.option(
        "--ramp-to", type=click.FloatRange(0, min_open=True), help="The --rate changes to this over --duration."
    ),
    click.option("--sweep", is_flag=True, help="One user, two, four ... until more users bring no more throughput."),
    click.option(
        "--slo",
        "slos",
        multiple=True,
        metavar="ttft_p95=1s",
        help="Objective (ttft, tpot, e2e). Without a load: find the highest rate that holds all.",
    ),
    click.option(
        "--objectives", metavar="NAME|FILE", help="A set of objectives: a file, or the name of a shipped one."
    ),
    click.option("--replay", is_flag=True, help="Begin each conversation when the workload's trace says."),
    click.option("--speed", type=click.FloatRange(0, min_open=True), help="Of the replay.  [default: 1]"),
    click.option(
        "--requests",
        type=click.IntRange(1),
        help="How many to measure, a level; with a --rate of conversations: conversations. Default: 64, or four for "
        "each user, unless --duration is given.",
    ),
    click.option("--duration", metavar="DURATION", help="Begin requests for this long instead."),
    click.option(
        "--warmup", help="Requests, or a DURATION of the load, before measuring begins.  [default: 4 requests]"
    ),
    click.option("--cooldown", metavar="DURATION", help="Of --duration, at its end, not measured."),
    click.option("--stop-when-saturated", is_flag=True, help="End a --rate that the endpoint cannot keep up with."),
    click.option("--timeout", metavar="DURATION", help="Of one request.  [default: 5m]"),
)
_content = _together(
    click.option("--workload", metavar="NAME|FILE", help="What to send: a file, or agent, batch, chat, code, rag."),
    click.option(
        "--format",
        "data_format",
        type=click.Choice(["mooncake", "timed_trace", "burstgpt", "azure", "sharegpt", "jsonl", "promptfoo"]),
        help="The --workload is a file of data of this kind.",
    ),
    click.option("--input-len", type=click.IntRange(1), help="Tokens of each prompt, exactly where a tokenizer is."),
    click.option(
        "--output-len", type=click.IntRange(1), help="Tokens of each answer at most; with --ignore-eos, exactly."
    ),
    click.option("--words", type=click.IntRange(1), help="Words of each prompt instead.  [default: 64]"),
    click.option(
        "--tokenizer",
        metavar="PATH|model|endpoint|none",
        help="Who counts tokens.  [default: the pinned model's, where it is here]",
    ),
    click.option(
        "--lora", "loras", multiple=True, metavar="NAME=SHARE", help="Adapters to ask, and `base`, by shares."
    ),
    click.option("--seed", default=0, show_default=True, help="Of synthetic prompts and of arrivals."),
    click.option(
        "--max-tokens", type=click.IntRange(1), help="Per answer, at most.  [default: the workload's, or 128]"
    ),
    click.option("--min-tokens", type=click.IntRange(1), help="Per answer, at least (vLLM and SGLang)."),
    click.option("--ignore-eos", is_flag=True, help="Always --max-tokens tokens (vLLM and SGLang)."),
    click.option(
        "--api", type=click.Choice(["chat", "completions", "embeddings"]), help="Which to call.  [default: chat]"
    ),
    click.option("--model", help="Default: the release's, or the first that the endpoint lists."),
)


@click.command(cls=Command, instead=_INSTEAD)
@click.argument("where", required=False, metavar="[RELEASE|URL]")
@_load
@_content
@click.option(
    "--in-cluster", is_flag=True, help="Measure a release from a pod beside its front, where it runs in a cluster."
)
@click.option(
    "--telemetry",
    type=click.Choice(["auto", "nvml", "prometheus", "none"]),
    default="auto",
    show_default=True,
    help="What is watched: this machine's GPUs by NVML, engines by their /metrics.",
)
@click.option("--metrics-url", multiple=True, metavar="URL", help="Also scrape this: an engine, Ray, a DCGM exporter.")
@click.option(
    "--plan", "plan_path", type=click.Path(dir_okay=False), help="Of a URL: what was predicted, to be shown beside."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes that send.  [default: one per 256 users, one per 500 requests/s]",
)
@click.option(
    "--save",
    "save_path",
    default="result.json",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="Raw traces and metrics.",
)
@click.option("--explain", is_flag=True, help="Say what each metric means, and measure nothing.")
@options.deployment_file
@options.target
@options.cluster
@options.common
def command(where: str | None, explain: bool, output: str, save_path: str, **given: Any) -> int:
    """Measure latency and throughput of a release, or of any OpenAI-compatible endpoint.

    Every request streams; times are the kernel's receive times where it gives them. Raw traces are kept in result.json:
    every metric can be computed from them again (`infercli report`). Ctrl-C keeps what was measured. An API key comes
    from INFERCLI_API_KEY, or from the file that INFERCLI_API_KEY_FILE names. Exit codes: 3 the objectives do not hold,
    4 nothing was answered, or all of it without a token, more than 1 % failed, a search is not sure, or the client was
    the limit and not the server.

    \b
    Examples of loads:
      infercli bench chat --concurrency 16 --requests 200         16 users
      infercli bench chat --rate 5 --duration 2m --warmup 10s     5 requests a second
      infercli bench chat --rate 5 --burstiness 0.5               the same, in bursts
      infercli bench chat --rate 1 --ramp-to 10 --duration 2m     from 1 to 10 a second
      infercli bench chat --concurrency 1 --concurrency 8         two levels
      infercli bench chat --sweep                                 from one user to saturation
      infercli bench chat --slo ttft_p95=1s --slo tpot_p95=50ms   the highest rate that holds
      infercli bench chat --workload trace.jsonl --format mooncake --replay
      infercli bench chat --in-cluster --concurrency 64           from a pod beside the front

    \b
    Examples of what is sent:
      infercli bench chat --input-len 1000 --output-len 300 --tokenizer endpoint
      infercli bench chat --workload rag --objectives long-input --rate 2
      infercli bench chat --workload chat --ignore-eos
      infercli bench chat --workload code
      infercli bench chat --workload agent                        conversations, with pauses
      infercli bench chat --workload batch --concurrency 64
      infercli bench chat --lora sql=1 --lora base=3              a quarter to an adapter
      infercli bench http://127.0.0.1:8000 --api embeddings
    """
    if explain:
        from infercli.cli.output import columns, emit
        from infercli.core.bench.metrics import DEFINITIONS
        from infercli.core.traces import RETRY_FIRST_S, RETRY_MOST_S
        from infercli.errors import ExitCode

        rest = (
            f"a user of a closed loop waits {RETRY_FIRST_S * 1000:.0f} ms after a failure, twice as long after each "
            f"further one in a row, {RETRY_MOST_S * 1000:.0f} ms at most; Retry-After is not followed"
        )
        meanings = DEFINITIONS | {"after a failure": rest}
        value = {"apiVersion": "infercli/v1", "kind": "Definitions", "metrics": meanings}
        emit(value, output, columns(list(meanings.items()), ("METRIC", "MEANS")))
        return ExitCode.YES
    from infercli.cli.benching import bench

    return bench(where, output=output, save_path=save_path, **given)
