"""What users of other programs type, and what it is here.

The one thing to know: click offers what is spelt alike; an option of vLLM or of another load generator is answered with
what it means.
"""

from __future__ import annotations

import re
from typing import Any

import click

from infercli.errors import InputError

_SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
"""Of a number of tokens, as vLLM reads them (utils/argparse_utils.py human_readable_int)."""


_DISAGGREGATED = "leave it out: each engine prefills and decodes; engines of one kind each are not planned"
PLANNING = {
    **dict.fromkeys(("--backend", "--framework"), "leave it out: what is planned is vLLM"),
    **dict.fromkeys(("--batch-size", "--bs", "--target-concurrency", "--users"), "write --concurrency"),
    "--etp": "leave it out: experts are split as vLLM splits them",
    **dict.fromkeys(("--estimate-mode", "--serving-mode", "--decode-system"), _DISAGGREGATED),
    **dict.fromkeys(("--prefill-num-workers", "--decode-num-workers"), _DISAGGREGATED),
    "--gemm-quant-mode": "write --quantization",
    "--isl": "write --input-len",
    "--kvcache-quant-mode": "write --kv-cache-dtype",
    **dict.fromkeys(("--max-seq-len", "--max-seq-length"), "write --max-model-len"),
    "--osl": "write --output-len",
    **dict.fromkeys(("--pp", "--pp-size", "-p"), "write --pipeline-parallel-size"),
    "--prefix": "write --prefix-hit-fraction: the share of --input-len, not its tokens",
    **dict.fromkeys(("--tp", "--tp-size", "-t"), "write --tensor-parallel-size"),
    "--trust-remote-code": "leave it out: it changes no number here",
}
"""Options of vLLM, AIConfigurator and llm-d-planner. `-t` is what is left of vLLM's `-tp`."""

_URL = "the URL is the first word: `infercli bench http://127.0.0.1:8000`"
_FILE = "write --workload FILE --format FORMAT"
_SPREAD = "write it to a workload's file, and --workload FILE; `infercli workloads rag` prints one to begin with"
_BODY = """write --extra-body '{"temperature": 0.7}', with whatever else requests are to say"""
MEASURING = {
    **dict.fromkeys(("--url", "-u", "--base-url", "--host", "--port", "--target", "--endpoint-url"), _URL),
    "serve": "leave it out: the first word is what is measured",
    "--api-key": "keys come from INFERCLI_API_KEY, or from the file that INFERCLI_API_KEY_FILE names",
    "--insecure": "`export SSL_CERT_FILE=ca.pem` takes the certificates of your own authority",
    "--backend": "every endpoint is an OpenAI-compatible one: write --api chat, which is what openai-chat was, or "
    "--api completions (vllm, openai)",
    **dict.fromkeys(
        ("--endpoint", "--endpoint-type", "--request-format"), "write --api chat, completions or embeddings"
    ),
    "--streaming": "leave it out: every request streams",
    **dict.fromkeys(("-m", "--model-names", "--served-model-name"), "write --model"),
    **dict.fromkeys(("-H", "--headers"), "write --header"),
    **dict.fromkeys(("--extra-inputs", "--temperature", "--top-p", "--top-k", "--min-p"), _BODY),
    **dict.fromkeys(("--frequency-penalty", "--presence-penalty", "--repetition-penalty", "--logprobs"), _BODY),
    "--chat-template-kwargs": """write --extra-body '{"chat_template_kwargs": {"enable_thinking": false}}'""",
    "--lora-modules": "write --lora NAME=SHARE for each",
    # What is sent.
    **dict.fromkeys(
        ("--data", "--dataset", "--dataset-name", "--public-dataset"),
        "write --workload; for random prompts --input-len and --output-len",
    ),
    **dict.fromkeys(("--dataset-path", "--input-file", "--custom-dataset-type"), _FILE),
    **dict.fromkeys(("--trace", "--fixed-schedule", "--self-timed"), f"{_FILE} --replay"),
    **dict.fromkeys(("--replay-speedup", "--synthesis-speedup-ratio"), "write --speed"),
    **dict.fromkeys(("--isl", "--random-input-len", "--synthetic-input-tokens-mean"), "write --input-len"),
    **dict.fromkeys(("--osl", "--output-tokens-mean"), "write --output-len; with --ignore-eos answers are that long"),
    "--random-output-len": "write --output-len --ignore-eos: vLLM's random data set means both",
    **dict.fromkeys(("--synthetic-input-tokens-stddev", "--isl-stddev"), _SPREAD),
    "--random-range-ratio": "write input_tokens: {min: 900, max: 1100} to a workload's file, and --workload FILE; "
    "`infercli workloads rag` prints one to begin with",
    **dict.fromkeys(("--output-tokens-stddev", "--osl-stddev", "--sequence-distribution"), _SPREAD),
    **dict.fromkeys(("--random-prefix-len", "--prefix-prompt-length", "--shared-system-prompt-length"), _SPREAD),
    **dict.fromkeys(
        ("--session-turns-mean", "--conversation-turn-mean"),
        "write it to a workload's file, and --workload FILE; `infercli workloads agent` prints one to begin with",
    ),
    "--processor": "write --tokenizer",
    "--conversation-num": "write --requests",
    **dict.fromkeys(
        ("--trust-remote-code", "--tokenizer-trust-remote-code"), "leave it out: no code of a repository is run"
    ),
    "--random-seed": "write --seed",
    # How much, and when.
    **dict.fromkeys(
        ("--num-prompts", "--num-requests", "--request-count", "--max-requests", "--num-sessions"), "write --requests"
    ),
    **dict.fromkeys(("--benchmark-duration", "--max-seconds"), "write --duration"),
    **dict.fromkeys(("--num-warmups", "--num-warmup-requests", "--warmup-request-count"), "write --warmup 10"),
    "--warmup-duration": "write --warmup 10s",
    "--max-concurrency": "write --concurrency",
    "--request-rate": "write --rate; for vLLM's inf --concurrency N --requests N",
    **dict.fromkeys(("--request-rate-mode", "--arrival-pattern"), "write --arrivals"),
    **dict.fromkeys(("--arrival-smoothness", "--vllm-burstiness"), "write --burstiness"),
    **dict.fromkeys(
        ("--ramp-up-strategy", "--ramp-up-start-rps", "--ramp-up-end-rps"), "write --rate 1 --ramp-to 10 --duration 2m"
    ),
    **dict.fromkeys(("--profile", "--rate-type"), "write --concurrency, --rate or --sweep"),
    "--request-timeout-seconds": "write --timeout",
    **dict.fromkeys(
        ("--ready-check-timeout-sec", "--wait-for-model-timeout"),
        "leave it out: `infercli ask http://127.0.0.1:8000 hello` says whether it answers yet",
    ),
    # What comes of it.
    "--goodput": "write --slo, for example --slo ttft_p95=1s",
    **dict.fromkeys(
        ("--percentile-metrics", "--metric-percentiles"),
        "leave it out: every metric is measured, with p50, p90, p95 and p99, and result.json has every time",
    ),
    **dict.fromkeys(("--save-result", "--save-detailed"), "leave it out: result.json has every request with its times"),
    **dict.fromkeys(("--result-filename", "--result-dir", "--append-result"), "write --save FILE"),
    **dict.fromkeys(("--label", "--metadata"), "name the file for it: --save tp2-fp8.json"),
    **dict.fromkeys(
        ("--artifact-dir", "--output", "--output-artifact-dir", "--output-dir", "--output-path"), "write --save FILE"
    ),
    **dict.fromkeys(("--plot-timeline", "--html"), "`infercli report result.json --html report.html` draws it"),
    "--gpu-telemetry": "write --telemetry nvml, or --metrics-url with the URL of a DCGM exporter",
    "--server-metrics": "write --metrics-url",
    **dict.fromkeys(("--max-workers", "--workers-max"), "write --workers"),
}
"""Options of vLLM's benchmark, guidellm and AIPerf."""

REPORTING = dict.fromkeys(("--output", "--output-path"), "write --html FILE for a page; -o json > FILE for the numbers")
"""Options of guidellm's report, and a file where `-o` takes a format."""

_WAITS = "leave it out: a deploy waits until the new engine answers, and one that fails is undone"
_FILED = "write it to deployment.yaml"
_AGAIN = "`watch infercli status` asks again and again"
_UNASKED = "leave it out: only `infercli delete` and `infercli local stop` ask first"
RELEASING = {
    **dict.fromkeys(("--atomic", "--cleanup-on-fail", "--rollback-on-failure", "--wait"), _WAITS),
    "--install": "leave it out: the first deploy of a release installs it",
    **dict.fromkeys(("--reuse-values", "--set", "--set-string", "--values", "--var", "--var-file"), _FILED),
    **dict.fromkeys(("-a", "--auto-approve", "-y", "--yes"), _UNASKED),
    **dict.fromkeys(
        ("--detailed-exitcode", "--exit-code"), "`infercli diff --exit-code` ends with 3 where something differs"
    ),
    **dict.fromkeys(("--revision", "--to-revision"), "`infercli rollback --to REVISION` goes back to one"),
    **dict.fromkeys(("--follow", "--since", "--tail"), "`infercli logs --lines N` prints as many of the newest"),
    **dict.fromkeys(("-A", "--all-namespaces"), "write --namespace NAME: one at a time"),
    **dict.fromkeys(("-w", "--watch"), _AGAIN),
    "--description": "`infercli deploy --reason WHY` and `infercli rollback --reason WHY` are kept in the history",
    "--filename": "write --file",
    "--kube-context": "write --context",
    "--server": "write --kubeconfig FILE, which names the server",
}
"""Options of helm, kubectl and terraform. `-a` is what is left of terraform's `-auto-approve`."""
DELETING = RELEASING | {
    **dict.fromkeys(("-a", "--auto-approve", "--force"), "write --yes"),
    **dict.fromkeys(("--cascade", "--purge"), "leave it out: all of the release goes; weights and keys stay"),
}
OF_A_FILE = "the release is the one that deployment.yaml names: leave `{}` out, or write -f FILE"
"""To a word too many of a verb that takes no name."""


class Command(click.Command):
    """A verb that knows options of other programs: `instead` has the hint of each.

    `surplus`: the hint to a word more than it takes, which stands in it as `{}`.
    """

    def __init__(self, *args: Any, instead: dict[str, str], surplus: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instead, self.surplus = instead, surplus

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises InputError for options of another program, all at once, with what each is here."""
        typed = list(args)  # the parser empties it
        ctx.allow_extra_args = self.surplus is not None
        try:
            rest = super().parse_args(ctx, args)
            if rest and self.surplus is not None and not ctx.resilient_parsing:
                raise InputError(f"one word too many: `{rest[0]}`", self.surplus.format(rest[0]))
            return rest
        except click.NoSuchOption as error:
            if error.option_name not in self.instead:
                raise
            ours = {flag for param in self.params for flag in (*param.opts, *param.secondary_opts)}
            words = dict.fromkeys(word.partition("=")[0] for word in typed)
            known = [word for word in words if word in self.instead and word not in ours]
            if len(known) < 2:
                raise InputError(error.message, self.instead[error.option_name]) from None
            said = "\n".join(f"{word}: {self.instead[word]}" for word in known)
            raise InputError(f"not of this program: {' '.join(known)}", said) from None
        except click.BadParameter as error:
            again = self._meant(error.param, typed)
            if again is None:
                raise
            raise InputError(error.format_message(), again) from None

    def _meant(self, param: click.Parameter | None, typed: list[str]) -> str | None:
        """What to write instead of a value that an option does not take; None: nobody knows."""
        if not isinstance(param, click.Option):
            return None
        for word, following in zip(typed, [*typed[1:], ""], strict=False):  # none typed: the environment's
            flag, _, joined = word.partition("=")
            values = (joined or following).split(",")
            if flag in param.opts and param.multiple and len(values) > 1:
                return f"write {' '.join(f'{flag} {value}' for value in values)}"
        return next((self.instead[flag] for flag in param.opts if flag in self.instead), None)


class Tokens(click.ParamType[int]):
    """A whole number, which may be `8k` (8,000) or `8K` (8,192) as vLLM takes it; not below `least`."""

    name = "integer"

    def __init__(self, least: int | None = None) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails for what is no such number, or too small a one."""
        tokens = value if isinstance(value, int) else self._read(value, param, ctx)
        if self.least is not None and tokens < self.least:
            self.fail(f"{tokens} is below {self.least}.", param, ctx)
        return tokens

    def _read(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(-?\d+)|(\d+(?:\.\d+)?)([kmg])|(\d+)([KMG])", value.strip())
        if found is None:
            self.fail(f"{value!r} is not a whole number, nor one such as 8k (8,000) or 8K (8,192).", param, ctx)
        whole, decimal, small, binary, large = found.groups()
        if whole is not None:
            return int(whole)
        exact = float(decimal) * _SUFFIXES[small] if small else int(binary) * _SUFFIXES[large]
        return round(exact)


class ModelLength(Tokens):
    """Of `max_model_len`, which vLLM takes as `auto` or -1 too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails for what is no such number, or left to vLLM."""
        if str(value).strip() in ("auto", "-1"):
            self.fail(f"{value!r} lets vLLM choose: leave it out, and the longest that fits is told.", param, ctx)
        return super().convert(value, param, ctx)


class MeanTokens(click.ParamType[float]):
    """A mean of numbers of tokens: as Tokens, or with a fraction."""

    name = "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Fails for what is no number."""
        try:
            return float(value)
        except ValueError:
            return Tokens().convert(value, param, ctx)
