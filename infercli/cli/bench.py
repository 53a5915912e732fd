"""`infercli bench`: its options. benching.py does what they say."""

from __future__ import annotations

from typing import Any

import click

from infercli.cli import options
from infercli.cli.instead import MEASURING, Command, Tokens
from infercli.cli.output import columns, document, emit
from infercli.errors import ExitCode

_load = options.together(
    click.option(
        "--concurrency",
        multiple=True,
        type=click.IntRange(1),
        help="Users, each waiting for its answer; with --rate, the most in flight. Repeat for more levels.  "
        "[default: 8]",
    ),
    click.option(
        "--rate",
        multiple=True,
        type=click.FloatRange(0, min_open=True),
        help="Requests per second, sent without waiting for answers; conversations, where the --workload has several "
        "turns. Repeat for more levels.",
    ),
    click.option(
        "--arrivals",
        type=click.Choice(["poisson", "constant"]),
        help="How the requests of a --rate are spaced.  [default: poisson]",
    ),
    click.option(
        "--burstiness",
        type=click.FloatRange(0, min_open=True),
        help="Space them by a gamma distribution: below 1 in bursts, above 1 more evenly.",
    ),
    click.option(
        "--ramp-to", type=click.FloatRange(0, min_open=True), help="Change the --rate to this over the --duration."
    ),
    click.option("--sweep", is_flag=True, help="1, 2, 4, ... users, until more users bring no more throughput."),
    click.option(
        "--slo",
        "slos",
        multiple=True,
        metavar="ttft_p95=1s",
        help="Objective for ttft, tpot or e2e; repeat. Without a load: find the highest rate that holds all.",
    ),
    click.option("--objectives", metavar="NAME|FILE", help="A set of objectives: a file, or a shipped one by name."),
    click.option("--replay", is_flag=True, help="Begin each conversation when the trace says."),
    click.option(
        "--speed", type=click.FloatRange(0, min_open=True), help="Replay so many times as fast.  [default: 1]"
    ),
    click.option(
        "--requests",
        type=click.IntRange(1),
        help="Requests to measure per level (conversations, where --rate counts those). Default: 64, or four per user, "
        "unless --duration is given.",
    ),
    click.option("--duration", metavar="DURATION", help="Send for this long instead."),
    click.option("--warmup", help="Requests, or a DURATION, before measuring begins.  [default: 4 requests]"),
    click.option("--cooldown", help="How many of --requests, or how much of --duration, are not measured at the end."),
    click.option("--stop-when-saturated", is_flag=True, help="End a --rate that the endpoint cannot keep up with."),
    click.option("--timeout", metavar="DURATION", help="For one request.  [default: 5m]"),
)
_content = options.together(
    click.option("--workload", metavar="NAME|FILE", help="What to send: a file, or agent, batch, chat, code, rag."),
    click.option(
        "--format",
        "data_format",
        type=click.Choice(["mooncake", "timed_trace", "burstgpt", "azure", "sharegpt", "jsonl", "promptfoo"]),
        help="What the --workload file is.",
    ),
    click.option("--input-len", type=Tokens(1), help="Tokens of each prompt; exact where there is a tokenizer."),
    click.option("--output-len", type=Tokens(1), help="Tokens of each answer at most; with --ignore-eos, exactly."),
    click.option("--words", type=click.IntRange(1), help="Words of each prompt, instead of tokens.  [default: 64]"),
    click.option(
        "--tokenizer",
        metavar="PATH|model|endpoint|none",
        help="Who counts tokens.  [default: the pinned model's, where it is here]",
    ),
    click.option(
        "--lora",
        "loras",
        multiple=True,
        metavar="NAME=SHARE",
        help="Adapters to ask, and `base` (the model itself), each by its share. Repeat.",
    ),
    click.option("--seed", default=0, show_default=True, help="For synthetic prompts and random arrivals."),
    click.option("--max-tokens", type=Tokens(1), help="Longest answer.  [default: the workload's, or 128]"),
    click.option("--min-tokens", type=Tokens(1), help="Shortest answer (vLLM and SGLang)."),
    click.option("--ignore-eos", is_flag=True, help="Every answer has --max-tokens tokens (vLLM and SGLang)."),
    click.option(
        "--api", type=click.Choice(["chat", "completions", "embeddings"]), help="Which API to call.  [default: chat]"
    ),
    click.option("--model", help="Default: the release's, or the first that the endpoint lists."),
    click.option(
        "--extra-body",
        metavar="JSON",
        help="Fields that each request has besides, as an object; a temperature goes in place of our 0.",
    ),
    click.option(
        "--header", "headers", multiple=True, metavar="NAME=VALUE", help="What each request's head has besides. Repeat."
    ),
)


@click.command(cls=Command, instead=MEASURING)
@click.argument("where", required=False, metavar="[RELEASE|URL]")
@_load
@_content
@click.option("--in-cluster", is_flag=True, help="Measure a release in a cluster from a pod beside its front.")
@click.option(
    "--telemetry",
    type=click.Choice(["auto", "nvml", "prometheus", "none"]),
    default="auto",
    show_default=True,
    help="What to watch: this machine's GPUs by NVML, engines by their /metrics.",
)
@click.option(
    "--metrics-url", multiple=True, metavar="URL", help="Also scrape this: an engine, Ray or a DCGM exporter. Repeat."
)
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(dir_okay=False),
    help="Show what this plan.json predicts beside what is measured at a URL.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes that send.  [default: one per 256 users or 500 requests/s]",
)
@click.option(
    "--save",
    "save_path",
    default="result.json",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="Where the raw traces and metrics go.",
)
@click.option("--explain", is_flag=True, help="Say what each metric means, and measure nothing.")
@options.deployment_file
@options.target
@options.cluster
@options.common
def command(where: str | None, explain: bool, output: str, save_path: str, **given: Any) -> int:
    """Measure latency and throughput of a release, or of any OpenAI-compatible endpoint.

    Every request streams, and times are the kernel's receive times where it gives them. Raw traces are kept in
    result.json: every metric can be computed from them again (`infercli report`). Ctrl-C keeps what was measured. The
    API key is read from INFERCLI_API_KEY, or from the file that INFERCLI_API_KEY_FILE names.

    Exit code 3: an objective does not hold; 4: it cannot be told, since nothing was answered (or only without tokens),
    more than 1 % failed, a search is not sure, or the client was the limit and not the server.

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
      infercli bench chat --extra-body '{"chat_template_kwargs": {"enable_thinking": false}}'
      infercli bench http://127.0.0.1:8000 --api embeddings
    """
    if explain:
        from infercli.core.bench.metrics import DEFINITIONS
        from infercli.core.traces import RETRY_FIRST_S, RETRY_MOST_S

        rest = (
            f"a user of a closed loop waits {RETRY_FIRST_S * 1000:.0f} ms after a failure, twice as long after each "
            f"further one in a row, {RETRY_MOST_S * 1000:.0f} ms at most; Retry-After is not followed"
        )
        meanings = DEFINITIONS | {"after a failure": rest}
        emit(document("Definitions", metrics=meanings), output, columns(list(meanings.items()), ("METRIC", "MEANS")))
        return ExitCode.YES
    from infercli.cli.benching import bench

    return bench(where, output=output, save_path=save_path, **given)
