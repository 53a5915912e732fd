"""What tests of the actions look at a release with."""

from __future__ import annotations

from infercli.actions.status import status


def seen(world):
    return status("chat", world.platform, world.store, world.compose)


def raising(error):
    def method(*args, **more):
        raise error

    return method
