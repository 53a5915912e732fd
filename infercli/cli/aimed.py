"""Which release is meant, as it was typed: a command that is offered names the same cluster, namespace and file.

Whoever typed `--context prod` and pastes `infercli rollback chat` would roll back whatever the current context has.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

_OPTIONS = ("-n", "--namespace", "--context", "--kubeconfig", "--target", "-f", "--file")
_COMMAND = re.compile(
    r"\binfercli (?:status|history|deploy|diff|rollback|delete|logs|ask|bench)\b(?! https?://| --help)"
)
"""The verbs that take all of them. A URL needs none, nor does help."""
_END = re.compile(r"[`\n]")
"""Of a command that is offered."""


def aimed(text: str, words: Sequence[str] | None = None) -> str:
    """`text` with the options of `words` in every command that takes them; None: those of the command that runs."""
    if words is None:
        context = click.get_current_context(silent=True)
        words = context.find_root().obj if context is not None else None
    typed = _typed(words or ())

    def with_options(found: re.Match[str]) -> str:
        said = {word.partition("=")[0] for word in _END.split(text[found.end() :], maxsplit=1)[0].split()}
        more = [word for name, given in typed if name not in said for word in given]
        return " ".join([found[0], *map(shlex.quote, more)])

    return _COMMAND.sub(with_options, text)


def _typed(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(option, the words that give it), in order."""
    found: list[tuple[str, list[str]]] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            break
        name, given, _ = word.partition("=")
        if word in _OPTIONS:
            value = next(rest, None)
            found += [] if value is None else [(word, [word, value])]
        elif (given and name.startswith("--") and name in _OPTIONS) or word[:2] in ("-n", "-f"):
            found.append((name if given else word[:2], [word]))
    return found
