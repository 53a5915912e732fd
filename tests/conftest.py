"""Fixtures that tests in several folders share. They start nothing until a test asks for them."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.parts.control_plane"]

# No test is held to a time: a busy machine says nothing about the code.
settings.register_profile("infercli", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("infercli")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so, and tests that press Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # And `nohup` this.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
