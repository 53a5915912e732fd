"""python -m benchmarks.accuracy sizing|throughput|slo FILE.jsonl [--configs DIR_OR_FILE]... [-o json].

Asks the planner through the door of `infercli estimate`, in this process, and holds its answers against a truth file.
The models that a file names are looked for in --configs: `org--name_config.json` (and `_hf_quant_config.json`) in a
directory, or a JSON object of shapes by id. Exit code 0, whatever the errors: this measures and does not judge.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from benchmarks.accuracy import report, sizing, slo, throughput
from benchmarks.accuracy.models import Library, read_rows
from benchmarks.accuracy.scoring import to_json
from infercli.errors import InferError


def main(arguments: list[str] | None = None) -> int:
    """Run and print one report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["sizing", "throughput", "slo"])
    parser.add_argument("file")
    parser.add_argument("--configs", action="append", default=[], metavar="DIR_OR_FILE")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    asked = parser.parse_args(arguments)
    try:
        library, rows = Library(asked.configs), read_rows(asked.file)
        answer, lines = {"sizing": _sizing, "throughput": _throughput, "slo": _slo}[asked.what](rows, library)
    except InferError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return int(error.exit_code)
    try:
        print(
            json.dumps(answer, indent=2, ensure_ascii=False) if asked.output == "json" else "\n".join(lines), flush=True
        )
    except BrokenPipeError:  # `head` has seen enough, and Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


Report = tuple[dict[str, object], list[str]]


def _sizing(rows: list[sizing.Row], library: Library) -> Report:
    scores = sizing.score(rows, library)
    lines = [*report.summary(scores), *report.by_group(scores), *report.left_out(scores)]
    return to_json(scores), lines + report.names(scores, ("kv_cache", "max_concurrency", "weights"))


def _throughput(rows: list[throughput.Row], library: Library) -> Report:
    by_engine = throughput.score(rows, library)
    vllm = by_engine.pop("vLLM")
    answer = to_json(vllm) | {"other_engines": {engine: to_json(scores) for engine, scores in by_engine.items()}}
    lines = ["vLLM", *report.summary(vllm), *report.by_group(vllm), *report.left_out(vllm)]
    for engine, scores in by_engine.items():
        lines += [f"{engine}: shown apart, not counted", *report.summary(scores), *report.table(scores, "ALL", [None])]
    return answer, lines + report.names(vllm, ("output_tok_per_s", "tpot"))


def _slo(rows: list[slo.Row], library: Library) -> Report:
    rates = slo.score(rows, library)
    return slo.to_json(rates), slo.text(rates)


if __name__ == "__main__":
    sys.exit(main())
