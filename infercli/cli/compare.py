"""`infercli compare`: results of bench beside the first of them, for people, for programs and as a page."""

from __future__ import annotations

import textwrap
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.instead import REPORTING, Command
from infercli.cli.output import clean, emit, heading, note, page_width
from infercli.errors import ExitCode, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infercli.core.bench.comparison import BenchComparison, MetricDifference, RunComparison, StageComparison


@click.command(cls=Command, instead=REPORTING)
@click.argument("files", nargs=-1, required=True, metavar="A B...", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Compare different workloads too, and say how they differ.")
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write a page that opens in a browser.")
@options.common
def command(files: tuple[str, ...], force: bool, html_path: str | None, output: str) -> int:
    """Compare results of `infercli bench` with the first of them, each difference with a 95 % interval.

    Refuses runs that did not send the same prompts to the same model under the same load. Says so where no difference
    can be shown (the interval holds zero), or where too few requests were sent to tell. Exit code 4: nothing can be
    told.

    \b
    Examples:
      infercli compare before.json after.json
      infercli compare none.json awq.json fp8.json --html quantizations.html
    """
    from infercli.adapters.files import check_apart, write_text
    from infercli.adapters.result_files import read_result
    from infercli.core.bench.comparison import BenchComparison, compare
    from infercli.core.bench.same_workload import unlike

    if len(files) < 2:
        raise InputError("there is nothing to compare it with", "name two results of `infercli bench` or more")
    if html_path is not None:
        check_apart(html_path, files)
    results = [read_result(Path(file)) for file in files]
    first = results[0]
    if not force:
        wrong = [f"{file}: {why}" for file, r in zip(files[1:], results[1:], strict=True) for why in unlike(first, r)]
        if wrong:
            raise InputError(
                "\n".join([f"not the workload of {files[0]}:", *wrong]), "--force compares them all the same"
            )
    runs = tuple(compare(first, r, file) for file, r in zip(files[1:], results[1:], strict=True))
    answer = BenchComparison(baseline=files[0], runs=runs)
    if html_path is not None:
        from infercli.report.comparison import page

        write_text(Path(html_path), page(answer, list(zip(files, results, strict=True))))
        note(f"{html_path} opens in a browser")
    emit(answer.model_dump(mode="json"), output, text(answer))
    return ExitCode.YES if answer.tells else ExitCode.CANNOT_TELL


def text(answer: BenchComparison, width: int | None = None) -> str:
    """A comparison for people. `width`: columns; None: the terminal's."""
    width = page_width(width)
    parts = [_run(answer.baseline, run, width) for run in answer.runs]
    return "\n\n".join([*parts, textwrap.fill(answer.method, width, break_on_hyphens=False)])


def _run(baseline: str, run: RunComparison, width: int) -> str:
    lines = [heading(clean(f"{run.file} against {baseline}"))]
    lines += [clean(f"caution: not one workload: {why}") for why in run.forced]
    lines += [f"not compared: {clean(label)}" for label in run.unmatched]
    if not run.stages:
        lines.append("they have no level of load in common: nothing is compared")
    return "\n\n".join(["\n".join(lines), *(_stage(stage, width) for stage in run.stages)])


def _stage(stage: StageComparison, width: int) -> str:
    from infercli.report.naming import reasons

    ds = stage.differences
    why = reasons(ds)
    head = f"{stage.load}: {stage.requests_a:,} and {stage.requests_b:,} requests"
    notes = [*(f"caution: {clean(note)}" for note in stage.notes), *why]
    wrapped = [fill(note, width, subsequent_indent="  ", break_on_hyphens=False) for note in notes]
    return "\n".join([clean(head), _table(ds, width), *wrapped])


def _table(ds: Sequence[MetricDifference], width: int) -> str:
    """The numbers always; where there is no room, the verdicts are brief, and then the intervals go."""
    from infercli.cli.fitting import Column, fitting
    from infercli.report.naming import brief, interval, name, share, value, verdict

    def table(verdicts: Sequence[str]) -> list[Column]:
        return [
            Column("", [name(d.metric) for d in ds]),
            Column("FIRST", [value(d, d.a) for d in ds]),
            Column("SECOND", [value(d, d.b) for d in ds]),
            Column("CHANGE", [share(d, d.difference) for d in ds]),
            Column("95 % INTERVAL", [interval(d) for d in ds], 2),
            Column("", verdicts, 1, words=True),
        ]

    whole = [verdict(d) for d in ds]
    wide = [max(map(len, (c.title, *c.cells))) for c in table(whole)]
    if sum(wide) + 2 * (len(wide) - 1) <= width:
        return fitting(table(whole), width)
    means = "\nnone shown: no difference can be shown" if any(d.verdict == "none shown" for d in ds) else ""
    return fitting(table([brief(d) for d in ds]), width) + means
