"""What a test does when a real part cannot be had here: it skips and says why, or fails where the part is demanded.

The one thing to know: INFERCLI_REQUIRE names the parts that this machine must have (`control-plane ray`, or `all`), so
that a check which is meant to run everything cannot quietly run half.
"""

from __future__ import annotations

import os

import pytest


def require(part: str, missing: str | None) -> None:
    """Goes on when `missing` is None; else skips with that reason, or fails when INFERCLI_REQUIRE names the part."""
    if missing is None:
        return
    demanded = os.environ.get("INFERCLI_REQUIRE", "").replace(",", " ").split()
    if part in demanded or "all" in demanded:
        pytest.fail(f"INFERCLI_REQUIRE demands {part}: {missing}", pytrace=False)
    pytest.skip(f"{part} is not here: {missing}")
