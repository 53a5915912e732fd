"""scripts/check runs every test, and none twice, whatever marks and whatever file it has."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from itertools import chain, combinations
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

ROOT = Path(__file__).parents[2]
MARKS = ("ray", "vllm", "cluster", "hub", "slow")


@pytest.fixture
def check(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    loader = SourceFileLoader("check", str(ROOT / "scripts" / "check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check", loader))
    loader.exec_module(module)
    return module


def takes(words, file, marks):
    """Whether pytest with these words runs a test of that file with those marks."""
    marked = Expression.compile(words[words.index("-m") + 1]).evaluate(lambda name, **_: name in marks)
    rest = words[words.index("-m") + 2 :]
    ignored = [word.removeprefix("--ignore=") for word in rest if word.startswith("--ignore=")]
    asked = [word for word in rest if not word.startswith("-")]
    within = [any(file == path or file.startswith(f"{path}/") for path in paths) for paths in (asked, ignored)]
    return marked and (within[0] or not asked) and not within[1]


def files(check):
    """One of each kind, and each that the check names."""
    named = [*check.RELEASES, *check.REFUSED]
    assert all((ROOT / path).exists() for path in [*named, *check.CORE])
    return [*named, "tests/core/test_units.py", "tests/accuracy/test_asking.py", "tests/cli/test_main.py"]


@pytest.mark.parametrize(
    "marks", [*chain.from_iterable(combinations(MARKS, n) for n in range(len(MARKS) + 1))], ids=repr
)
def test_each_test_is_in_one_group(check, marks):
    groups = {name: words for some in check.ALL_GROUPS for name, words in some.items()}
    for file in files(check):
        assert len([name for name, words in groups.items() if takes(words, file, marks)]) == 1, file


def test_the_fast_check_runs_what_needs_no_part_and_waits_for_nothing(check):
    for file in ("tests/core/test_units.py", "tests/cli/test_main.py"):
        for marks in [(), *((mark,) for mark in MARKS)]:
            taken = [name for name, words in check.FAST_GROUPS.items() if takes(words, file, marks)]
            assert len(taken) == (not marks)
