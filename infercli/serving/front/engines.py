"""Which engines are in the table, and which of them answer.

The one thing to know: a handle to an application that is gone, or not there yet, does not fail, it waits for ever. So
an engine gets no request before it has answered a probe, and whoever waits for the first byte of an engine that leaves
the table is woken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from .rules import Table, parse_table

logger = logging.getLogger("ray.serve")

PROBE_S = 3.0  # an engine that answers takes 10 ms
BAD_TABLE = "user_config"  # stands among the refused engines until a table comes that is one
RECOVER_S = 1.0  # between two probes of a refused engine: cold start and placement take minutes


class EngineLeft(Exception):
    """The engine left the table before it answered."""


def give_up(answer: Any) -> None:
    """Cancel what an engine still does for this answer. It may have failed already, which cancelling would raise."""
    with contextlib.suppress(Exception):
        answer.cancel()


class Engines:
    """The table in force and the handles to its engines."""

    def __init__(self) -> None:
        self.table = Table()
        self.refused: dict[str, str] = {}
        """Engines that requests should go to and that do not answer, with the reason."""
        self.warm: set[str] = set()
        """Engines that have answered."""
        self._wanted = self.table
        self._calls: dict[str, Any] = {}
        self._probes: dict[str, asyncio.Task[str | None]] = {}
        self._waiting: dict[str, set[asyncio.Future[Any]]] = {}
        self._recovery: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether any engine that clients may be sent to answers."""
        return any(route.weight > 0 and route.app in self.warm for route in self.table.routes)

    async def adopt(self, config: Any) -> None:
        """Take a `user_config` as the table. Never raises: Serve would take the replica for broken and replace it."""
        try:
            self._wanted = parse_table(config)
        except Exception as error:
            logger.exception("front: the table stays at generation %s", self.table.generation)
            self.refused[BAD_TABLE] = f"{type(error).__name__}: {error}"
            return
        self.refused.pop(BAD_TABLE, None)
        await self._try_to_settle()

    async def _try_to_settle(self) -> None:
        try:
            await self._settle(self._wanted)
        except Exception:
            logger.exception("front: the table stays at generation %s for now", self.table.generation)
        self._keep_recovering()

    async def _settle(self, table: Table) -> None:
        """Probe what the table needs, and put it in force unless no engine that it sends clients to answers."""
        await asyncio.gather(*(self.probe(app) for app in table.needed() if app not in self.warm))
        if table is not self._wanted:
            return  # a newer one came meanwhile
        live = [route.app for route in table.routes if route.weight > 0]
        if self.table is not table and (not live or not self.warm.isdisjoint(live)):
            self._put_in_force(table)
        self.refused = {app: reason for app, reason in self.refused.items() if self._needed(app) or app == BAD_TABLE}

    def _needed(self, app: str) -> bool:
        return app in self._wanted.needed() or app in self.table.needed()

    def _put_in_force(self, table: Table) -> None:
        self.table = table
        # An engine that comes back under its name is a new one: it has to answer again.
        self.warm = {app for app in self.warm if table.has(app)}
        logger.info("front: generation %s is in force", table.generation)
        for app in [app for app in self._waiting if not table.has(app)]:
            for first in self._waiting.pop(app):
                first.cancel()

    def _unsettled(self) -> bool:
        return self.table is not self._wanted or any(self._needed(app) for app in self.refused)

    def _keep_recovering(self) -> None:
        if self._unsettled() and (self._recovery is None or self._recovery.done()):
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Go on probing what is refused: engines come up minutes after their front, and dead replicas come back."""
        while self._unsettled():
            await asyncio.sleep(RECOVER_S)
            await asyncio.gather(*(self.probe(app) for app in [*self.refused] if self._needed(app)))
            await self._try_to_settle()

    def lost(self, app: str, reason: str) -> None:
        """A replica died or the deployment failed: nobody waits there until it answers again."""
        self.warm.discard(app)
        if self._needed(app):
            self.refused[app] = reason
            self._keep_recovering()

    async def probe(self, app: str) -> bool:
        """Whether the engine answers; whoever asks meanwhile shares the probe."""
        if app not in self._probes:
            self._probes[app] = asyncio.create_task(self._health(app))
            self._probes[app].add_done_callback(lambda _: self._probes.pop(app))
        reason = await asyncio.shield(self._probes[app])
        if reason is None:
            self.warm.add(app)
            self.refused.pop(app, None)
        elif self._needed(app):
            if self.refused.get(app) != reason:
                logger.warning("front: %s is refused: %s", app, reason)
            self.refused[app] = reason
        return reason is None

    async def _health(self, app: str) -> str | None:
        """Why the engine does not answer; None when it does."""
        answer = None
        try:
            async with asyncio.timeout(PROBE_S):
                answer = self.call(app).remote("GET", "/health", b"", {})
                pieces = [piece async for piece in answer]
            return None if pieces[0][0] == 200 else f"its health check answered {pieces[0][0]}"
        except TimeoutError:
            give_up(answer)
            return f"no answer within {PROBE_S:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, this engine does not answer
            give_up(answer)
            return f"{type(error).__name__}: {error}"[:300]

    def call(self, app: str) -> Any:
        """The engine's `http` method as a handle. One per application for ever: each has a router of its own."""
        if app not in self._calls:
            from ray import serve

            # Unchecked: an application that does not exist yet resolves when it comes, and nothing blocks here.
            handle = serve.get_deployment_handle("engine", app, _check_exists=False)
            self._calls[app] = handle.options(stream=True).http
        return self._calls[app]

    async def first(self, answer: Any, app: str) -> tuple[int, str, bytes]:
        """Status, content type and first bytes of an answer. EngineLeft: the engine left the table first."""
        item = asyncio.ensure_future(anext(answer))
        self._waiting.setdefault(app, set()).add(item)
        try:
            return await item
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if (task is not None and task.cancelling()) or self.table.has(app):
                raise  # the client left
            raise EngineLeft(app) from None
        finally:
            item.cancel()
            with contextlib.suppress(KeyError):
                self._waiting[app].discard(item)
