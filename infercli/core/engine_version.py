"""Versions of vLLM as numbers, by which they are compared. Development builds are read in core/engines."""

from __future__ import annotations

from functools import cache


def number_of(version: str) -> tuple[int, int, int]:
    """(major, minor, patch) of `0.29.0`. Raises ValueError for anything else."""
    major, minor, patch = version.split(".")
    return int(major), int(minor), int(patch)


@cache
def release_of(version: str) -> tuple[int, int]:
    """(major, minor) of `0.29.0`. Raises ValueError where it has no such two."""
    major, minor, *_ = version.split(".")
    return int(major), int(minor)
