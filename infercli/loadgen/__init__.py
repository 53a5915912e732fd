"""The measuring loop: `run` sends a load to an endpoint and returns what came back, request by request."""

from __future__ import annotations

from infercli.loadgen.interrupts import Interrupts, noted
from infercli.loadgen.levels import run_levels
from infercli.loadgen.prompt_key import digest_key
from infercli.loadgen.run import Measurement, Progress, run, workers_of
from infercli.loadgen.target import Target

__all__ = [
    "Interrupts", "Measurement", "Progress", "Target", "digest_key", "noted", "run", "run_levels", "workers_of"
]  # fmt: skip
