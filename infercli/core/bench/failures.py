"""What failed requests were told, for people: the first words of each kind, short, and without what looks secret."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from infercli.core.bench.metrics import error_label
from infercli.core.bench.stage import StageResult

LONGEST = 160
"""Characters of a message that are shown; the result has what was kept of it."""
_SECRETS = re.compile(
    r"(?<=://)[^/\s@]+@"  # the user and password of an address
    r"|(?<=bearer )\S+"
    r"|\b(?:sk|pk|hf|gh[pousr]|xox[abprs])[-_][\w*-]{6,}"
    r"|\b(?=[a-z]*\d)[a-z0-9]{32,}\b",
    re.IGNORECASE,
)
"""Servers repeat the key that they refuse. A name of a model is no secret: its words have hyphens or are shorter."""


def first_messages(stages: Iterable[StageResult]) -> dict[str, str]:
    """Kind of failure -> what the first of it in these stages was told; kinds that were told nothing are left out."""
    found: dict[str, str] = {}
    for stage in stages:
        for t in stage.traces:
            if t.error is not None and t.message:
                found.setdefault(error_label(t), without_secrets(t.message))
    return found


def without_secrets(message: str) -> str:
    """A message that may be shown, on a line."""
    return textwrap.shorten(_SECRETS.sub("***", message), LONGEST, placeholder=" ...")
