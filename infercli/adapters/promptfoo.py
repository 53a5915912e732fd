"""promptfoo's configuration as one value: texts that it names by `file://` are put in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infercli.adapters.files import read_text, read_yaml
from infercli.core.load.prompt_files import FILE_REFERENCE
from infercli.core.record import Json

TEXT_SUFFIXES = (".txt", ".md", ".json")
"""Of files that promptfoo takes as text. Scripts, tables and globs stay references, and are refused by name."""


def load_promptfoo(path: Path) -> Json:
    """The configuration, with prompts, variables and a YAML list of tests read from beside it. Raises InputError."""
    config = read_yaml(path)
    if not isinstance(config, dict):
        return config
    folder = path.parent

    def text(reference: str) -> Json:
        file = folder / reference.removeprefix(FILE_REFERENCE)
        return read_text(file) if file.suffix in TEXT_SUFFIXES else reference

    def tests(reference: str) -> Json:
        file = folder / reference.removeprefix(FILE_REFERENCE)
        return read_yaml(file) if file.suffix in (".yaml", ".yml", ".json") else reference

    tests_given = _replaced(config.get("tests"), tests)
    if isinstance(tests_given, list):
        tests_given = [_with_variables(test, text) for test in tests_given]
    return {
        **config,
        "prompts": _replaced(config.get("prompts"), text),
        "tests": tests_given,
        "defaultTest": _with_variables(config.get("defaultTest"), text),
    }


def _with_variables(test: Json, read: Callable[[str], Json]) -> Json:
    if not isinstance(test, dict) or not isinstance(test.get("vars"), dict):
        return test
    return {**test, "vars": {name: _replaced(value, read) for name, value in test["vars"].items()}}


def _replaced(value: Json, read: Callable[[str], Json]) -> Json:
    if isinstance(value, str) and value.startswith(FILE_REFERENCE):
        return read(value)
    return [_replaced(v, read) for v in value] if isinstance(value, list) else value
