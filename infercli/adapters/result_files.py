"""Results of `infercli bench` as files: written, and read in full or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from infercli.adapters.files import reading, to_json
from infercli.core.bench.result import BenchResult
from infercli.core.record import Json
from infercli.core.validation import problems_of
from infercli.errors import InputError, InvalidFile

_MOST_PROBLEMS = 20
"""Of one file: a damaged array of traces has thousands, all for one reason."""
_HINT = "`infercli bench` writes it (--save)"


def result_json(result: BenchResult) -> str:
    """As it is kept: JSON for people, and each request on a line of its own.

    50,000 of 16 tokens each take 0.45 s and 35 MB; with a line for each number it was 4.0 s and 80 MB (measured).
    """
    value = result.model_dump(mode="json", exclude={"stages": {"__all__": {"traces"}}})
    for stage in value["stages"]:
        stage["traces"] = []
    # No text of a value can hold this: its quotes would be escaped.
    head, *tails = to_json(value).split('"traces": []')
    parts = [head]
    for stage, tail in zip(result.stages, tails, strict=True):
        parts += ['"traces": [\n', ",\n".join(trace.model_dump_json() for trace in stage.traces), "\n]", tail]
    return "".join(parts)


def read_result(path: Path) -> BenchResult:
    """Raises InputError for a file that cannot be read or is something else, InvalidFile for a damaged one."""
    with reading(path, _HINT):
        data = path.read_bytes()
    return parse_result(data, str(path))


def parse_result(data: bytes, path: str) -> BenchResult:
    """The result in the bytes of a file. Raises as `read_result`."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refused)
    except UnicodeDecodeError:
        raise InvalidFile(path, [("", "is not UTF-8 text")], _HINT) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        hint = "a result is written whole: was it cut?" if error.doc.lstrip().startswith("{") else _HINT
        raise InvalidFile(path, [(where, f"not JSON: {error.msg}")], hint) from None
    except (ValueError, RecursionError) as error:
        raise InvalidFile(path, [("", f"not JSON: {error}")], _HINT) from None
    _ours(value, path)
    try:
        return BenchResult.model_validate(value)
    except ValidationError as error:
        problems = problems_of(error)
        rest = len(problems) - _MOST_PROBLEMS
        shown = problems[:_MOST_PROBLEMS] + ([("", f"and {rest:,} more problems")] if rest > 0 else [])
        raise InvalidFile(path, shown, "the file was edited or damaged: measure again") from None


def _ours(value: Json, path: str) -> None:
    if not isinstance(value, dict) or value.get("kind") != BenchResult.__name__:
        kind = value.get("kind") if isinstance(value, dict) else None
        said = f"is a {kind}" if isinstance(kind, str) and kind.isidentifier() else "is something else"
        raise InputError(f"{path}: {said}, and no result of `infercli bench`", _HINT)
    if "cautions" in value:
        raise InputError(
            f"{path}: is what `-o json` prints, which leaves out the requests", f"they are in result.json: {_HINT}"
        )
    if "stages" not in value and "metrics" in value:
        version = str(value.get("infercli_version", "0.x"))
        raise InputError(
            f"{path}: was written by an older infercli ({version}), before results had stages",
            "measure again with `infercli bench`: what such a file does not say cannot be made up",
        )


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
