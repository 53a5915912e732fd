"""Which release is meant, as it was typed: a command that is offered names the same cluster, namespace and file.

Whoever typed `--context prod` and pastes `infercli rollback chat` would roll back whatever the current context has.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

_OPTIONS = ("-n", "--namespace", "--context", "--kubeconfig", "--target", "-f", "--file")
_FOUND_FIRST = ("--target", "local")
"""A release of this machine is found by its name alone."""
_COMMAND = re.compile(
    r"\binfercli (?:status|history|deploy|diff|rollback|delete|logs|ask|bench)\b(?! https?://| --help)"
)
"""The verbs that take all of them. A URL needs none, nor does help."""


def aimed(text: str, words: Sequence[str] | None = None) -> str:
    """`text` with the options of `words` in every command that takes them; None: those of the command that runs."""
    if words is None:
        context = click.get_current_context(silent=True)
        words = context.find_root().obj if context is not None else None
    typed = shlex.join(_typed(words or ()))
    return _COMMAND.sub(lambda found: f"{found[0]} {typed}", text) if typed else text


def _typed(words: Sequence[str]) -> list[str]:
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            break
        name, given, _ = word.partition("=")
        if word in _OPTIONS:
            value = next(rest, None)
            found += [] if value is None or (word, value) == _FOUND_FIRST else [word, value]
        elif (given and name.startswith("--") and name in _OPTIONS) or word[:2] in ("-n", "-f"):
            found.append(word)
    return found
