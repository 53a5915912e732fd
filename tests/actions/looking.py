"""What tests of the actions look at a release with."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.actions.status import status
from infercli.errors import DeployFailed, RayError
from tests.core.builders import engine

GOOD, OTHER = engine("none").app, engine("int8").app


def seen(world):
    return status("chat", world.platform, world.store, world.compose)


def raising(error):
    def method(*args, **more):
        raise error

    return method


def weights(world):
    table = world.platform._table(world.platform.config())
    return {r["app"]: r["weight"] for r in table["routes"]}


def applications(world):
    return {a["name"] for a in world.platform.config()["applications"]}


def stop_at_the_first_share(world, request):
    """A deploy that fails with 5 % of the requests on its engine."""

    def refuse_the_next_put(platform):
        if 5 in weights(world).values():
            platform.on_put, platform.faults["put"] = None, RayError("Ray is gone")

    world.platform.on_put = refuse_the_next_put
    with pytest.raises(DeployFailed, match="Ray is gone") as error:
        deploy(request, world)
    return error.value.message
