"""The text in which Prometheus exporters answer, read strictly: a line outside its grammar is named, not guessed at.

The one thing to know: a bad line costs itself. What else was said is still read, and whoever asks for a name that a bad
line began with learns that the line was there.

Grammar: the text format, version 0.0.4, of the Prometheus documentation; comments (# HELP, # TYPE) are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_REST = re.compile(r"(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>[^ \t]+)(?:[ \t]+-?[0-9]+)?[ \t]*")
_LABEL = re.compile(r'[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"[ \t]*(?:,|$)')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPE = re.compile(r"\\[\\\"n]")
_SHOWN = 80
"""Characters of a bad line that are shown. Our choice: enough to find it."""

Labels = tuple[tuple[str, str], ...]
"""Sorted by name."""


class Exposition(NamedTuple):
    """One answer."""

    series: Mapping[str, Mapping[Labels, float]]
    """Name -> labels -> value."""
    problems: Mapping[str, str]
    """Name that a bad line began with, or `` when it began with none -> the first such line and what is wrong."""


class Scrape(NamedTuple):
    """One attempt at an answer: either it or the reason why there is none."""

    at_s: float
    exposition: Exposition | None
    reason: str | None


def parse(text: str, wanted: Callable[[str], bool] = lambda _: True) -> Exposition:
    """Every line whose name is `wanted`. Never raises: what cannot be read is in `problems`."""
    series: dict[str, dict[Labels, float]] = {}
    problems: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\r")
        if not stripped or stripped.startswith("#"):
            continue
        found = _NAME.match(stripped)
        name = found[0] if found else ""
        if found and not wanted(name):
            continue
        problem = "not a sample" if found is None else _read(stripped[found.end() :], series.setdefault(name, {}))
        if problem is not None:
            problems.setdefault(name, f"line {number} is {problem}: {stripped[:_SHOWN]}")
    return Exposition({name: rows for name, rows in series.items() if rows}, problems)


def _read(rest: str, rows: dict[Labels, float]) -> str | None:
    """Adds one sample to `rows`, or says what is wrong with it."""
    parts = _REST.fullmatch(rest)
    if parts is None:
        return "not a sample"
    labels = _labels(parts["labels"] or "")
    if labels is None:
        return "without proper labels"
    if labels in rows:
        return "there twice"
    try:
        rows[labels] = float(parts["value"].replace("_", "?"))  # Python reads 1_000, Prometheus does not
    except ValueError:
        return "without a number"
    return None


def _labels(text: str) -> Labels | None:
    labels: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _LABEL.match(text, at)
        if found is None or found["name"] in labels:
            return None
        value = found["value"]
        labels[found["name"]] = _ESCAPE.sub(lambda m: _ESCAPES[m[0]], value) if "\\" in value else value
        at = found.end()
    return tuple(sorted(labels.items()))
