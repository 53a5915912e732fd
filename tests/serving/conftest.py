"""The real parts of the serving tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.parts.ray import Ray, ray_head


@pytest.fixture(scope="module")
def ray() -> Iterator[Ray]:
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(ray_head())
