"""Which endpoint a command means: a URL, or a release whose endpoint, key and model are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from infercli.errors import EndpointError, InputError

if TYPE_CHECKING:
    from infercli.actions.steps import World
    from infercli.cli.options import Place
    from infercli.core.endpoint import Endpoint


class Aim(NamedTuple):
    """Where to send requests."""

    endpoint: Endpoint
    api_key: str | None
    model: str | None
    """None: whatever the endpoint lists first."""
    release: str | None
    world: World | None
    """Of a release: to reach its engine's own counters."""


def aim_at(where: str | None, model: str | None, place: Place) -> Aim:
    """`where` is a base URL (http...), a release's name, or None for deployment.yaml's release."""
    from infercli.cli.world import api_key, resolve
    from infercli.core.endpoint import parse_endpoint, url_meant
    from infercli.core.release import live, serving

    if where is not None and where.lower().startswith(("http://", "https://")):
        return Aim(parse_endpoint(where), api_key(), model, None, None)
    meant = url_meant(where) if where is not None else None
    if meant is not None:
        # Not as it was typed: it may hold a key.
        raise InputError(
            f"{meant.removeprefix('http://')} is neither a whole URL nor the name of a release", f"write {meant}"
        )
    name, world = resolve(where, place)
    history = world.store.entries(name)
    good = serving(history)
    if good is None or live(history) is None:
        raise InputError(f"no release `{name}` serves on {world.platform.where}", f"`infercli status {name}`")
    url = world.platform.endpoint()
    if url is None:
        raise EndpointError(f"{name} has no endpoint on {world.platform.where} now", f"`infercli status {name}`")
    key = api_key() or world.platform.client_key()
    return Aim(parse_endpoint(url), key, model or good.revision.engine.spec.model_id, name, world)
