"""The fixture of tests that type infercli's commands against the cluster."""

from __future__ import annotations

from tests.cluster.release_project import project

__all__ = ["project"]
