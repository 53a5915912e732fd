"""What the shell offers as the value of a parameter. Nothing is contacted: names that this machine knows.

Imported while a shell completes, and at no other time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from infercli.errors import InferError


def _profiles() -> Iterable[str]:
    from infercli.adapters.files import profile_files

    return (path.stem for path in profile_files(Path()))


def _gpus() -> Iterable[str]:
    from infercli.core.gpus import GPUS

    return GPUS


def _models() -> Iterable[str]:
    from infercli.cli.project import load_lock
    from infercli.core.shapes import shapes

    return {*shapes(), *(model.id for model in load_lock(Path()).models)}


def _quantizations() -> Iterable[str]:
    from infercli.core.quantization import ALIASES, METHODS

    return (*METHODS, *ALIASES)


def _kv_cache_dtypes() -> Iterable[str]:
    from typing import get_args

    from infercli.core.kv_specs import CacheDtype

    return get_args(CacheDtype)


def _releases() -> Iterable[str]:
    from infercli.cli.project import deployment_path, load_deployment
    from infercli.cli.world import local_store

    names = set(local_store().names())
    with suppress(InferError):
        names |= {load_deployment(None).name} if deployment_path(None).exists() else set()
    return names


VALUES: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    # verb, name of its parameter
    ("gpus", "name"): _gpus,
    ("estimate", "gpu"): _gpus,
    ("learn", "gpu"): _gpus,
    ("profiles", "name"): _profiles,
    ("init", "profile"): _profiles,
    ("plan", "profiles"): _profiles,
    ("plan", "model"): _models,
    **{(verb, "quantization"): _quantizations for verb in ("estimate", "init")},
    ("plan", "quantizations"): _quantizations,
    **{(verb, "kv_cache_dtype"): _kv_cache_dtypes for verb in ("estimate", "plan")},
    ("estimate", "model"): _models,
    ("init", "model"): _models,
    ("pin", "model"): _models,
    **{(verb, "name"): _releases for verb in ("status", "history", "rollback", "delete", "logs")},
    ("bench", "where"): _releases,
    ("ask", "words"): _releases,
}


class _Known(StringParamType):
    """Text that may be one of these names, in any case of letters."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What begins like it; nothing where a file cannot be read, since nobody reads an error here."""
        try:
            names = sorted(self._names())
        except InferError:
            return []
        return [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]


def offer_values(verb: str, command: click.Command) -> None:
    """Let the parameters of `command` complete to the names in VALUES."""
    for parameter in command.params:
        names = VALUES.get((verb, parameter.name or ""))
        if names is not None:
            parameter.type = _Known(names)
