"""`infercli report`: a result shown, checked, drawn or exported, one of these at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import REPORTING, Command
from infercli.cli.output import columns, document, emit, note
from infercli.errors import ExitCode, InputError

if TYPE_CHECKING:
    from infercli.core.bench.recheck import Rechecked
    from infercli.core.bench.result import BenchResult
    from infercli.core.record import Json

    Results = list[tuple[str, BenchResult]]


@click.command(cls=Command, instead=REPORTING)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False))
@click.option(
    "--check",
    is_flag=True,
    help="Compute again what follows from the raw data; exit with 3 if a number differs.",
)
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write a report that opens in a browser.")
@click.option(
    "--export",
    "format_",
    type=click.Choice(["vllm", "llm-d", "csv"]),
    help="Print it for other tools: as vLLM's bench JSON or llm-d's Benchmark Report v0.2 (a line per level of load), "
    "or as CSV (a row per request).",
)
@options.common
def command(files: tuple[str, ...], check: bool, html_path: str | None, format_: str | None, output: str) -> int:
    """Show, check, draw or export what `infercli bench` measured.

    The HTML report is one file that loads nothing, runs no script and can be printed. Nothing is measured again.

    \b
    Examples:
      infercli report result.json
      infercli report result.json --check
      infercli report result.json --html report.html
      infercli report result.json --export csv > requests.csv
    """
    if check + (html_path is not None) + (format_ is not None) > 1:
        raise InputError("--check, --html and --export are three things", "give one of them at a time")
    if format_ is not None and output != "text":
        raise InputError(f"--export {format_} is a format of its own", "leave out --output")
    if html_path is not None:
        from infercli.adapters.files import check_apart

        check_apart(html_path, files)
    results = _read(files)
    if check:
        return _check(results, output)
    if format_ is not None:
        _export(results, format_)
        return ExitCode.YES
    if html_path is not None:
        _html(results, html_path)
    _show(results, output)
    return ExitCode.YES


def _read(files: tuple[str, ...]) -> Results:
    from infercli.adapters.result_files import read_result

    return [(file, read_result(Path(file))) for file in files]


def _check(results: Results, output: str) -> int:
    from infercli.core.bench.recheck import recheck

    answers = [recheck(result, file) for file, result in results]
    emit(_one_or_all([a.model_dump(mode="json") for a in answers]), output, "\n".join(_checked(a) for a in answers))
    return ExitCode.YES if all(a.same for a in answers) else ExitCode.NO


MOST_SHOWN = 40
"""Differences of a file in text; -o json has all of them."""


def _checked(answer: Rechecked) -> str:
    if answer.same:
        return (
            f"{answer.file}: its numbers follow from its raw data, and its loads had the requests and users they name"
        )
    count = len(answer.differences)
    rows = [(d.path, _value(d.was), _value(d.becomes)) for d in answer.differences[:MOST_SHOWN]]
    more = f"\n  and {count - MOST_SHOWN} more" if count > MOST_SHOWN else ""
    opening = f"{answer.file}: {count} {'number does' if count == 1 else 'numbers do'} not follow from its raw data"
    return f"{opening}\n{columns(rows, ('NUMBER', 'IN THE FILE', 'FOLLOWS'), indent='  ')}{more}"


def _value(value: Json) -> str:
    return "absent" if value is None else json.dumps(value)


def _export(results: Results, format_: str) -> None:
    from infercli.report import export

    if format_ == "csv":
        click.echo(export.csv_rows(results), nl=False)
        return
    level = export.vllm if format_ == "vllm" else export.llm_d
    lines = [level(result, stage) for _, result in results for stage in range(len(result.stages))]
    for line in lines:
        click.echo(json.dumps(line, ensure_ascii=False, allow_nan=False))
    if len(lines) > 1:
        note(f"{len(lines)} levels of load, a JSON object a line: `sed -n 1p` takes the first")


def _html(results: Results, html_path: str) -> None:
    from infercli.adapters.files import write_text
    from infercli.report.html import page

    write_text(Path(html_path), page(results))
    note(f"{html_path} opens in a browser")


def _show(results: Results, output: str) -> None:
    from infercli.cli.result_text import as_data, summary

    texts = [summary(result) if len(results) == 1 else f"{file}\n{summary(result)}" for file, result in results]
    emit(_one_or_all([as_data(r) for _, r in results]), output, "\n\n\n".join(texts))


def _one_or_all(answers: list[dict[str, Json]]) -> Json:
    if len(answers) == 1:
        return answers[0]
    return document(f"{answers[0]['kind']}List", results=list(answers))
