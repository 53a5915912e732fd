"""Facts keyed by engine version. The version is the backend's: a RayService runs the vLLM that its Ray pins.

To add a version: a module with its facts, a table of its arguments (scripts/engine_facts.py writes it), a line here.
"""

from __future__ import annotations

from infercli.core.engines import v0_29
from infercli.core.engines.facts import EngineFacts
from infercli.errors import UnknownName

ENGINES: dict[str, EngineFacts] = {v0_29.FACTS.version: v0_29.FACTS}

RAY_SERVICE_ENGINE = "0.29.0"
"""What ray[llm] 2.60.0 pins, on the Kubernetes target; the local target runs the CPU build of the same version."""


def find_engine(version: str) -> EngineFacts:
    """The facts of that version. Raises UnknownName: memory changed by gigabytes between versions before."""
    if version not in ENGINES:
        raise UnknownName("engine version", version, ENGINES, "to add it: a module in core/engines/")
    return ENGINES[version]
