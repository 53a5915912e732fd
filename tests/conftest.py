"""Fixtures that tests in several folders share. They start nothing until a test asks for them."""

from __future__ import annotations

pytest_plugins = ["tests.parts.control_plane"]
