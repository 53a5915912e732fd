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
    from infercli.core.shapes import shipped_ids

    return {*shipped_ids(), *(model.id for model in load_lock(Path()).models)}


def _quantizations() -> Iterable[str]:
    from infercli.core.quantization.methods import ALIASES, METHODS

    return (*METHODS, *ALIASES)


def _kv_cache_dtypes() -> Iterable[str]:
    from typing import get_args

    from infercli.core.kv_cache.specs import CacheDtype

    return get_args(CacheDtype)


def _releases() -> Iterable[str]:
    from infercli.cli.project import deployment_path, load_deployment
    from infercli.cli.world import local_store

    names = set(local_store().names())
    with suppress(InferError):
        names |= {load_deployment(None).name} if deployment_path(None).exists() else set()
    return names


def _contexts() -> Iterable[str]:
    from infercli.adapters.cluster.kubeconfig import context_names

    try:
        return list(context_names())
    except Exception:  # noqa: BLE001  # whatever the file holds: said by the command that reads it
        return ()


def _shipped(folder: str) -> Callable[[], Iterable[str]]:
    def names() -> Iterable[str]:
        from infercli.adapters.files import shipped

        return (path.stem for path in shipped(folder).glob("*.yaml"))

    return names


def _engine_versions() -> Iterable[str]:
    from infercli.core.engines import ENGINES

    return ENGINES


_ON_A_CLUSTER = ("doctor", "diff", "deploy", "status", "history", "rollback", "delete", "logs", "ask", "bench")
VALUES: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    # verb, name of its parameter
    ("gpus", "words"): _gpus,
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
    ("bench", "workload"): _shipped("workloads"),
    ("bench", "objectives"): _shipped("objectives"),
    ("workloads", "name"): _shipped("workloads"),
    **{(verb, "kube_context"): _contexts for verb in _ON_A_CLUSTER},
    **{(verb, "engine_version"): _engine_versions for verb in ("estimate", "learn")},
    ("ask", "words"): _releases,
}
OR_FILES = frozenset(
    {
        *(("bench", name) for name in ("workload", "objectives")),
        ("workloads", "name"),
        *((verb, name) for verb in ("estimate", "learn") for name in ("config_path", "hf_quant_config_path")),
    }
)
"""Parameters that are files as well, or that alone."""


class _Known(StringParamType):
    """Text that may be one of these names, in any case of letters."""

    def __init__(self, names: Callable[[], Iterable[str]], *, or_files: bool) -> None:
        self._names, self._or_files = names, or_files

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What begins like it; nothing where a file cannot be read, since nobody reads an error here."""
        try:
            names = sorted(self._names())
        except InferError:
            return []
        offered = [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]
        # Files first: bash forgets what was offered before them, and falls back on them where no name fits.
        return [CompletionItem(incomplete, type="file"), *offered] if self._or_files else offered


def offer_values(verb: str, command: click.Command) -> None:
    """Let the parameters of `command` complete to the names in VALUES, and to files."""
    for parameter in command.params:
        place = (verb, parameter.name or "")
        if place in VALUES or place in OR_FILES:
            parameter.type = _Known(VALUES.get(place, tuple), or_files=place in OR_FILES)
