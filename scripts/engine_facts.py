"""Write the table of argument names and types of the installed vLLM, for core/engines/.

Run it with the engine environment's Python, which has vllm; the CLI's has not:

    ~/.cache/infercli/engine-*/bin/python scripts/engine_facts.py infercli/core/engines/v0_29_arguments.py

Names come from the two dataclasses whose fields ray.serve.llm takes as engine_kwargs.
"""

from __future__ import annotations

import builtins
import dataclasses
import sys
import typing
from pathlib import Path
from types import NoneType, UnionType

import vllm
from vllm.engine import arg_utils
from vllm.entrypoints.launchers import cli_args

SIMPLE = {bool: "bool", int: "int", float: "float", str: "str"}


class OnlyForTypeCheckers(dict[str, object]):
    """Names that vLLM imports under TYPE_CHECKING; each is a configuration class, so a JSON object."""

    def __missing__(self, name: str) -> object:
        if name in vars(builtins) or name in vars(arg_utils) or name in vars(cli_args):
            raise KeyError(name)
        return dict


def names_of(annotation: object) -> set[str]:
    """JSON types that an annotation takes: bool, int, float, str, list, dict, null, or any."""
    origin = typing.get_origin(annotation)
    if annotation is NoneType or annotation is None:
        return {"null"}
    if annotation in SIMPLE:
        return {SIMPLE[annotation]}
    if origin is typing.Literal:
        return {SIMPLE.get(type(value), "null") for value in typing.get_args(annotation)}
    if origin in (typing.Union, UnionType):
        return set().union(*(names_of(a) for a in typing.get_args(annotation)))
    if origin is typing.Annotated:
        return names_of(typing.get_args(annotation)[0])
    if origin in (list, tuple, set) or annotation in (list, tuple, set):
        return {"list"}
    if origin is dict or annotation is dict or dataclasses.is_dataclass(annotation):
        return {"dict"}
    return {"any"}


def main(path: Path) -> None:
    """Write the module. Not to standard output: vLLM logs there while it is imported."""
    rows: dict[str, str] = {}
    for holder in (arg_utils.AsyncEngineArgs, cli_args.FrontendArgs):
        hints = typing.get_type_hints(holder, localns=OnlyForTypeCheckers())
        for field in dataclasses.fields(holder):
            found = names_of(hints[field.name])
            if not field.name.startswith("_"):
                rows.setdefault(field.name, "any" if "any" in found else " | ".join(sorted(found)))
    version = vllm.__version__.split("+")[0]
    lines = [f'"""Arguments of vLLM {version}: written by scripts/engine_facts.py, never by hand."""', ""]
    lines += ["from __future__ import annotations", "", "ARGUMENTS: dict[str, str] = {"]
    lines += [f'    "{name}": "{kind}",' for name, kind in sorted(rows.items())]
    lines += ["}", '"""Name -> the JSON types that it takes."""', ""]
    path.write_text("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
