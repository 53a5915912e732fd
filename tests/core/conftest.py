"""Hypothesis without a deadline: on two busy cores a test's time says nothing about its code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("infercli")
settings.load_profile("infercli")
