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


PLANNING = {
    "--isl": "write --input-len",
    "--osl": "write --output-len",
    "--pp": "write --pipeline-parallel-size",
    "-p": "write --pipeline-parallel-size",
    "--tp": "write --tensor-parallel-size",
    "-t": "write --tensor-parallel-size",
    "--users": "write --concurrency",
}
"""Options of vLLM and AIConfigurator. `-t` is what is left of vLLM's `-tp`."""


class Command(click.Command):
    """A verb that knows options of other programs: `instead` has the hint of each."""

    def __init__(self, *args: Any, instead: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instead = instead

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises InputError for an option of another program, with what it is here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = self.instead.get(error.option_name)
            if hint is None:
                raise
            raise InputError(error.message, hint) from None


class Tokens(click.ParamType[int]):
    """A whole number, which may be `8k` (8,000) or `8K` (8,192) as vLLM takes it."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails for what is no such number."""
        if isinstance(value, int):
            return value
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
