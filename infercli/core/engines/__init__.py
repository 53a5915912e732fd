"""Facts keyed by engine version. The version is the backend's: a RayService runs the vLLM that its Ray pins.

To add a version: a row in core/engines/versions.py; where it is deployed, also a table of its arguments
(scripts/engine_facts.py writes it).
"""

from __future__ import annotations

import re
from functools import lru_cache

from infercli.core.engine_version import number_of
from infercli.core.engines.facts import EngineFacts
from infercli.core.engines.versions import NEWEST, ROWS
from infercli.errors import UnknownName

ENGINES: dict[str, EngineFacts] = {row.since: row for row in ROWS}

RAY_SERVICE_ENGINE = "0.29.0"
"""What ray[llm] 2.60.0 pins, on the Kubernetes target; the local target runs the CPU build of the same version."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:\.\d+)?(?:\.?(?:post|dev|rc|a|b)\d*)*(?:\+\S+)?")
"""As vLLM names releases, candidates and builds of its own: `0.10.1.1`, `0.9.2.dev364+g763963aa7`."""


@lru_cache(maxsize=64)  # a search asks for one version tens of thousands of times
def find_engine(version: str) -> EngineFacts:
    """The facts of that version: its own row, or the nearest one before it (`note` then says so).

    A candidate or development build counts as the release it leads to. Raises UnknownName for what is older than the
    oldest row, newer than the newest version that was read, or no version at all: memory changed by gigabytes before.
    """
    found = _VERSION.fullmatch(version.strip())
    number = (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
    rows = [row for row in ROWS if number is not None and number_of(row.since) <= number]
    if number is None or not rows or number[:2] > NEWEST:
        known = f"known are {ROWS[0].since} to {NEWEST[0]}.{NEWEST[1]}"
        # The nearest number, and not the one that is written most like it: 0.4.0 is not what 0.34.0 was meant for.
        ends = () if number is None else (f"{NEWEST[0]}.{NEWEST[1]}.0",) if rows else (ROWS[0].since,)
        hint = f"{known}; to add one: a row in core/engines/versions.py"
        raise UnknownName("engine version", version, ends or ENGINES, hint)
    between = ".dev" in version or "+g" in version
    return rows[-1]._replace(version=".".join(map(str, number)), between_releases=between)
