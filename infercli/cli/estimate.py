"""`infercli estimate`: a stream of requests, or one by flags. Each flag is a field of a request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infercli.cli import options
from infercli.cli.instead import PLANNING, Command, MeanTokens, ModelLength, Tokens
from infercli.cli.output import columns, heading, paragraph
from infercli.errors import ExitCode, InputError, InvalidFile

if TYPE_CHECKING:
    from infercli.core.estimates.answer import Estimate, EstimatedSpeed, EstimateError

_PREFIX_CACHING = "enable-prefix-caching/--no-enable-prefix-caching"
_FLAGS: tuple[tuple[str, Any, str], ...] = (
    # flag: the field of the request, or of its `workload`
    ("model", str, "Model id; `infercli models` lists those that need no --config-path."),
    ("config-path", str, "config.json, or the directory that has it."),
    ("hf-quant-config-path", str, "hf_quant_config.json, where it is not beside it."),
    ("gpu", str, "GPU; `infercli gpus` lists them."),
    ("gpu-memory-gib", float, "What the driver reports, where that differs from `infercli gpus`."),
    ("pcie-gb-per-s", float, "One direction of a GPU's slot; 16: PCIe 3.0 x16 or 4.0 x8. Default: the table's."),
    ("gpu-count", int, "GPUs in all; default: what the parallel sizes take."),
    ("tensor-parallel-size", int, "Default 1."),
    ("pipeline-parallel-size", int, "Default 1."),
    ("data-parallel-size", int, "Default 1."),
    ("decode-context-parallel-size", int, "Default 1."),
    ("enable-expert-parallel", None, "Spread whole experts over the ranks."),
    ("engine-version", str, "Of vLLM; default: what `plan` plans."),
    ("dtype", str, "Default: the checkpoint's."),
    ("kv-cache-dtype", str, "Default: auto."),
    ("quantization", str, "What the checkpoint is, where its config does not say; or fp8-online."),
    ("max-model-len", ModelLength(), "Default: the model's own."),
    ("max-num-seqs", int, "Default: that version's, for that GPU."),
    ("max-num-batched-tokens", Tokens(), "Default: that version's, for that GPU."),
    ("gpu-memory-utilization", float, "Default: that version's."),
    ("kv-cache-memory-bytes", int, "What the KV cache is given; default: what is left."),
    ("block-size", int, "Tokens of a KV cache block."),
    ("enforce-eager", None, "Without CUDA graphs."),
    (_PREFIX_CACHING, None, "Default: what that version does for that model. State blocks then have another size."),
    ("mamba-ssm-cache-dtype", str, "dtype of Mamba's states. Default: auto."),
    ("runner", str, "pooling: embeddings from a model whose config.json says that it generates text. Default: auto."),
    ("language-model-only", None, "Text only: encoders are not loaded."),
    ("enable-lora", None, "With slots for LoRA adapters."),
    ("max-loras", int, "Slots: adapters that one batch may use. Default 1."),
    ("max-lora-rank", int, "Largest rank of an adapter. Default 16."),
)
_LOAD_FLAGS: tuple[tuple[str, Any, str], ...] = (
    ("input-len", MeanTokens(), "Mean tokens of a prompt."),
    ("output-len", MeanTokens(), "Mean tokens of an answer."),
    ("concurrency", float, "Requests in flight at a time."),
    ("request-rate", float, "Requests a second, arriving at random."),
    ("num-prompts", int, "Prompts in all; alone: all there at once."),
    ("offline", None, "The prompts are handed to the engine itself, not to its server."),
    ("length-spread-fraction", float, "How far lengths lie from their mean; 0: all equal, as in many benchmarks."),
    ("prefix-hit-fraction", float, "Share of the prompt that the prefix cache holds."),
    ("ttft-p95-ms", float, "Objective: also say the highest rate that keeps it."),
    ("ttft-p99-ms", float, "The same, for p99."),
    ("tpot-p95-ms", float, "The same, for TPOT."),
)

_LIMITS = 'ask by a line of JSON, whose "limit_mm_per_prompt" says it, or write --language-model-only'
_SPECULATION = 'ask by a line of JSON, whose "speculation" says it: `infercli estimate --schema`'
_INSTEAD = PLANNING | {
    "--enable-chunked-prefill": "leave it out: an estimate takes what that version does",
    "--backend-version": "write --engine-version",
    "--custom-gpu-cost": "`infercli plan` has prices",
    "--free-gpu-memory-fraction": "write --gpu-memory-utilization",
    "--gpu-memory": "write --gpu with its name; --gpu-memory-gib, where the driver reports another size",
    **dict.fromkeys(("--gpus", "--max-gpus", "--num-gpus", "--total-gpus"), "write --gpu-count"),
    "--model-path": "write --model; for a directory --config-path",
    "--nextn": _SPECULATION,
    "--pretty": "write -o text",
    "--system": "write --gpu",
    "--target-request-rate": "write --request-rate",
    "--limit-mm-per-prompt": _LIMITS,
    "--mm-processor-kwargs": 'ask by a line of JSON, whose "mm_processor_kwargs" says it',
    "--explain": "`infercli plan` has it",
    "--input-tokens": "write --input-len",
    "--output-tokens": "write --output-len",
    "--profile": "write --gpu and --gpu-count",
    "--rate": "write --request-rate",
    "--replicas": "write --gpu-count: a multiple of what the parallel sizes take",
    "--speculative-config": _SPECULATION,
    "--qps": "write --request-rate",
    "--slo": "write --ttft-p95-ms, --ttft-p99-ms or --tpot-p95-ms",
    "--tpot": "write --tpot-p95-ms",
    "--ttft": "write --ttft-p95-ms",
}
"""Options of vLLM, AIConfigurator, llm-d-planner and `plan`, and what they are here."""


@click.command(cls=Command, instead=_INSTEAD, surplus="a model is a flag here: write --model {}")
@options.together(
    *(
        click.option(f"--{name}", is_flag=kind is None, type=kind, default=None, help=text)
        for name, kind, text in (*_FLAGS, *_LOAD_FLAGS)
    )
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of a request and of its answer.")
@options.answers("json", "text", says="One JSON object a line, or a table for people.")
def command(schema: bool, output: str, **flags: object) -> int:
    """Size many configurations: a JSON request a line on stdin, a JSON answer a line on stdout.

    Needs no lock and no deployment file; flags instead of stdin ask for one configuration. Each answer has every term
    of a GPU's memory with its bounds, the KV cache as vLLM would print it, whether the engine starts (true, false, or
    null: cannot be told) and, with a workload, the speed. A line that cannot be answered gives an EstimateError with
    its line number, and the others are answered. Exit code 0: all lines were answered; 1: some were not.

    \b
    Examples:
      infercli estimate --model Qwen/Qwen3-32B --gpu H100 --max-model-len 8192 -o text
      infercli estimate --schema
      infercli estimate <<'JSON'
      {"model": "Qwen/Qwen3-32B", "gpu": "H100", "tensor_parallel_size": 2}
      {"model": "Qwen/Qwen3-8B", "gpu": "L40S", "workload": {"input_len": 1000, "output_len": 300, "concurrency": 16}}
      JSON
    """
    if schema:
        return _print_schema()
    given = {name: value for name, value in flags.items() if value is not None}
    if given:
        return _one(given, output)
    return _stream(output)


def _print_schema() -> int:
    from pydantic import TypeAdapter

    from infercli.core.estimates.answer import Estimate, EstimateError
    from infercli.core.estimates.request import EstimateRequest

    parts = {
        "request": EstimateRequest.model_json_schema(),
        "answer": TypeAdapter(Estimate | EstimateError).json_schema(mode="serialization"),
    }
    click.echo(json.dumps(parts, indent=2))
    return ExitCode.YES


def _one(given: dict[str, object], output: str) -> int:
    from infercli.cli.estimating import Answers
    from infercli.cli.project import learned_here
    from infercli.core.estimates.answer import EstimateError
    from infercli.core.estimates.estimate import SCHEMA
    from infercli.core.estimates.model import OWN_CONFIG

    load = {flag.replace("-", "_") for flag, _, _ in _LOAD_FLAGS}
    workload = {name: value for name, value in given.items() if name in load}
    request = {name: value for name, value in given.items() if name not in load}
    answer = Answers(learned_here(Path())).answer(request | ({"workload": workload} if workload else {}))
    if isinstance(answer, EstimateError):
        # On a command line the fields are flags: what is wrong goes where every wrong flag goes, to stderr.
        named = (name.partition("/")[0] for name, _, _ in (*_FLAGS, *_LOAD_FLAGS))
        typed = {name.replace("-", "_"): f"--{name}" for name in named} | {"config": "--config-path"}
        wrong = [(typed.get(p.where.removeprefix("workload."), p.where), p.what) for p in answer.problems]
        hint = (answer.hint or "").replace(SCHEMA, "`infercli estimate --help` lists the flags")
        raise InvalidFile("estimate", wrong, hint.replace(OWN_CONFIG, "name its config: --config-path FILE") or None)
    click.echo(text(answer) if output == "text" else answer.model_dump_json())
    return ExitCode.YES


def _stream(output: str) -> int:
    from infercli.cli.estimating import Answers
    from infercli.cli.project import learned_here
    from infercli.core.estimates.answer import EstimateError

    if sys.stdin.isatty():
        raise InputError(
            "there is nothing to estimate: stdin is a terminal",
            "give flags (`infercli estimate --model Qwen/Qwen3-32B --gpu H100`), or requests on stdin",
        )
    answers, failed = Answers(learned_here(Path())), False
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        answer = answers.answer_line(line, number)
        failed |= isinstance(answer, EstimateError)
        if output == "json":
            said = answer.model_dump_json()
        else:
            said = (error_text(answer) if isinstance(answer, EstimateError) else text(answer)) + "\n"
        # echo flushes: whoever asks line by line waits for this answer before the next question.
        click.echo(said)
    return ExitCode.COULD_NOT if failed else ExitCode.YES


def error_text(error: EstimateError) -> str:
    """What is wrong with a line, for people."""
    lines = [f"line {error.line}: {p.where}{': ' if p.where else ''}{p.what}" for p in error.problems]
    return "\n".join(lines + ([f"hint: {error.hint}"] if error.hint else []))


def text(estimate: Estimate) -> str:
    """An answer for people."""
    from infercli.core.units import gib

    verdict = {True: "starts", False: "does not start", None: "cannot be told"}[estimate.starts]
    rows = [(t.name, gib(t.bytes, 2), gib(t.low_bytes, 2), gib(t.high_bytes, 2)) for t in estimate.memory.terms]
    cache, count = estimate.kv_cache, estimate.replicas
    each = " of each data-parallel rank" if estimate.settings.data_parallel_size > 1 else ""
    each = each or (" of each replica" if count > 1 else "")
    placed = f"{estimate.gpu_count // count} x {estimate.gpu}"
    lines = [
        f"{estimate.model} on {f'{count} replicas of ' if count > 1 else ''}{placed}, vLLM {estimate.engine_version}",
        paragraph(f"{verdict}: {estimate.reason}"),
        "",
        heading("Memory of each GPU"),
        columns(rows, ("term", "expected", "low", "high"), indent="  "),
        f"  budget {gib(estimate.memory.budget_bytes, 2)} of {gib(estimate.memory.total_bytes, 2)}",
    ]
    if cache is not None:
        lines += [
            "",
            heading(f"KV cache{each}"),
            f"  {cache.tokens:,} tokens ({cache.tokens_low:,} to {cache.tokens_high:,})",
            f"  {cache.concurrency:.2f} requests of {estimate.settings.max_model_len:,} tokens at once",
        ]
    if estimate.speed is not None:
        title = f"Speed{' of all replicas together' if count > 1 else ''}"
        lines += ["", heading(title), columns(_speed(estimate.speed), indent="  ")]
    if estimate.notes:
        lines += ["", heading("Notes"), *(paragraph(note, "  ") for note in estimate.notes)]
    return "\n".join(lines)


def _speed(speed: EstimatedSpeed) -> list[tuple[str, str, str]]:
    from infercli.core.units import number

    quantities = (
        ("output tokens/s", speed.output_tok_per_s, 1),
        ("requests/s", speed.requests_per_s, 1),
        ("TTFT p50, ms", speed.ttft_s, 1000),
        ("TTFT p95, ms", speed.ttft_p95_s, 1000),
        ("TPOT p50, ms", speed.tpot_s, 1000),
        ("TPOT p95, ms", speed.tpot_p95_s, 1000),
        ("highest requests/s", speed.highest_request_rate, 1),
    )
    rows = []
    for name, q, scale in quantities:
        if q is not None:
            ends = f"{number(scale * q.low)} to {number(scale * q.high)}" if q.low < q.high else ""
            rows.append((name, number(scale * q.value), ends))
    return rows
