"""The front's deployment: from a request to the answer of an engine.

The one thing to know: an await anywhere is a place where the table may change. Whoever picks an engine calls it before
the next await, and picks again after one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from .engines import EngineLeft, Engines, give_up
from .metrics import Ask, Metrics
from .rules import (
    FORWARDED,
    GENERATION_HEADER,
    OWN_GETS,
    PIN_HEADER,
    TOKEN_HEADER,
    Secrets,
    allowed,
    choose,
    own,
    same_secret,
)

logger = logging.getLogger("ray.serve")

BODY_S = 60.0  # for a client to send its body: it holds a place among those in flight meanwhile
MAX_RUNS = 2  # of one request, before its first byte: one that kills the engine must not go round and kill them all
MAX_SHADOWS = 8  # at once and per front replica: a slow engine under test must not pile up bodies in memory
SHADOW_S = 600.0  # after this a copy is given up
STATE_S = 2.0  # for all replicas to show their state; one takes some milliseconds
BUSY_RETRY_S = 1  # what a 429 tells the client to wait
DOWN_RETRY_S = 5  # what a 503 tells the client to wait


class Refusal(Exception):
    """An answer that the front gives by itself, in the shape of OpenAI's errors."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Any:
        """As a starlette response."""
        from starlette.responses import JSONResponse

        kind = "invalid_request_error" if self.status < 500 else "service_unavailable"
        error = {"message": str(self), "type": kind, "param": None, "code": self.code}
        return JSONResponse({"error": error}, self.status, headers=self.headers)


async def read_body(request: Any, limit_bytes: int) -> bytes:
    """The body of a starlette request. Reading stops at the limit, whatever Content-Length says. Raises Refusal."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal():
        raise Refusal(400, "bad_content_length", "Content-Length is not a number")
    too_large = Refusal(413, "body_too_large", f"the body is larger than {limit_bytes} bytes")
    if int(declared) > limit_bytes:
        raise too_large
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "client_left", "the client closed the connection before its body was complete")
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > limit_bytes:
            raise too_large
    return b"".join(parts)


class Front:
    """One instance per replica; replicas share nothing but what `user_config` and the key files say."""

    def __init__(self, keys_dir: str, max_body_bytes: int, max_in_flight: int) -> None:
        self._keys = Secrets(Path(keys_dir) / "api-keys")
        self._tokens = Secrets(Path(keys_dir) / "operator-token")
        self._max_body_bytes, self._max_in_flight = max_body_bytes, max_in_flight
        self._engines = Engines()
        self._metrics = Metrics()
        self._copies: set[asyncio.Task[None]] = set()
        self._siblings: Any = None

    async def reconfigure(self, config: Any) -> None:
        """Serve calls this with the `user_config` of the running replica."""
        await self._engines.adopt(config)

    async def __call__(self, request: Any) -> Any:
        """Answer one request of a client, an operator or a load balancer."""
        ask = Ask(request.method, request.scope["path"])
        try:
            self._admit(request, ask)
            if ask.path in OWN_GETS:
                return await self._own(ask.path)
            if self._metrics.in_flight >= self._max_in_flight:
                wait = str(BUSY_RETRY_S)
                raise Refusal(429, "too_many_requests", "too many requests are in flight", retry_after=wait)
        except Refusal as refusal:
            return self._refuse(ask, refusal, let_in=False)
        self._let_in(ask)
        try:
            ask.headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
            async with asyncio.timeout(BODY_S) as body_time:
                ask.body = await read_body(request, self._max_body_bytes)
            return await self._forward(ask)
        except TimeoutError:
            if not body_time.expired():
                raise
            return self._refuse(ask, Refusal(408, "body_too_slow", f"the body took longer than {BODY_S:g} s"))
        except Refusal as refusal:
            return self._refuse(ask, refusal)

    def _refuse(self, ask: Ask, refusal: Refusal, *, let_in: bool = True) -> Any:
        ask.outcome = f"{refusal.status // 100}xx"
        if not let_in and ask.path not in OWN_GETS:
            self._metrics.count(ask)
        return refusal.response()

    def _admit(self, request: Any, ask: Ask) -> None:
        """Refuse who may not ask this, and note the engine that an operator pins."""
        pin, token = request.headers.get(PIN_HEADER), request.headers.get(TOKEN_HEADER)
        its_own = own(ask.method, ask.path)
        if not its_own and not allowed(ask.method, ask.path, operator_pin=pin is not None):
            raise Refusal(404, "not_found", f"there is no {ask.method} {ask.path} here")
        if its_own and ask.path == "/health":
            return
        if token is not None:
            tokens = self._tokens.lines()
            if not tokens:
                raise Refusal(503, "no_operator_token", "no operator token is installed, so none is accepted")
            if not same_secret(token, tokens):
                raise Refusal(403, "bad_operator_token", "the operator token is wrong")
            ask.pin = pin
            return
        if pin is not None or its_own:
            raise Refusal(403, "operator_token_required", f"this needs an operator token in {TOKEN_HEADER}")
        keys = self._keys.lines()
        if not keys:
            raise Refusal(503, "no_api_keys", "no API keys are installed, so every request is refused")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same_secret(key.strip(), keys):
            raise Refusal(401, "invalid_api_key", "a valid API key is required", www_authenticate="Bearer")

    async def _own(self, path: str) -> Any:
        """`/health` for load balancers, `/front` for operators."""
        from starlette.responses import JSONResponse

        if path == "/health":
            if not self._engines.live:
                raise Refusal(503, "nothing_serves", "no engine is serving", retry_after=str(DOWN_RETRY_S))
            return JSONResponse({"status": "ok"})
        return JSONResponse({**self.state(), "replicas": await self._replicas()})

    async def _replicas(self) -> list[dict[str, Any]]:
        """The state of every replica that answers.

        Serve sends a request to the replica with the least to do: asking again and again may never reach a busy one.
        """
        from ray import serve

        context = serve.get_replica_context()
        if self._siblings is None:
            self._siblings = serve.get_deployment_handle(context.deployment, context.app_name, _check_exists=False)
        try:
            found = await self._siblings.broadcast("state").results_async(timeout_s=STATE_S, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - then this one is all that can be told
            logger.warning("front: its replicas do not answer: %s", type(error).__name__)
            found = [self.state()]
        return [state for state in found if isinstance(state, dict)]

    def state(self) -> dict[str, Any]:
        """What this replica does and knows; `replica` is its name in Serve, as pids of two pods may be equal."""
        from ray import serve

        table = self._engines.table
        return {
            "pid": os.getpid(),
            "replica": serve.get_replica_context().replica_id.unique_id,
            "generation": table.generation,
            "routes": [{"app": r.app, "weight": r.weight, "shadow": r.shadow} for r in table.routes],
            "refused": self._engines.refused,
            "in_flight": self._metrics.in_flight,
            "requests": self._metrics.requests,
            "retries": self._metrics.retries,
            "shadows": self._metrics.shadows,
        }

    def _let_in(self, ask: Ask) -> None:
        """Count the request until its task ends.

        Serve sends the response in the task that called us, so the task's end is the request's, whichever way it ends;
        also when the client leaves before the first byte, where a response generator's `finally` would never run.
        """
        task = asyncio.current_task()
        assert task is not None
        self._metrics.began()
        task.add_done_callback(lambda _: self._metrics.ended(ask))

    async def _forward(self, ask: Ask) -> Any:
        """Ask an engine, and another one when the first fails before its first byte."""
        engines = self._engines
        failed: set[str] = set()
        runs, first_try = 0, True
        while runs < MAX_RUNS:
            app = ask.pin or choose(engines.table, random.random(), refused=engines.refused, failed=failed)  # noqa: S311
            if app is None or app in failed or not engines.table.has(app):
                break
            if app not in engines.warm:
                if not await engines.probe(app):
                    failed.add(app)
                continue  # that was an await: the table may be another one now
            try:
                return await self._ask_engine(ask, app, first_try=first_try)
            except Refusal:
                raise
            except Exception as error:  # noqa: BLE001 - the client has seen nothing yet, so another engine may answer
                ran, again = self._judge(app, error)
                runs += ran
                if not again:
                    failed.add(app)
                self._metrics.retries += 1
                first_try = False
        message = f"{ask.pin} is not serving" if ask.pin else "no engine is serving"
        raise Refusal(503, "nothing_serves", message, retry_after=str(DOWN_RETRY_S))

    def _judge(self, app: str, error: Exception) -> tuple[bool, bool]:
        """Why an engine failed: whether the request may have run there, and whether the same engine may do better."""
        from ray.exceptions import RayActorError, RayTaskError

        # What the engine's own code raises may quote the request, so only its type is said.
        logger.warning("front: %s failed before its first byte: %s", app, type(error).__name__)
        if isinstance(error, RayTaskError | EngineLeft):
            return isinstance(error, RayTaskError), False
        self._engines.lost(app, f"{type(error).__name__}: {error}"[:300])
        died = isinstance(
            error, RayActorError
        )  # one replica, which may have a sibling; else the whole deployment is out
        return died, died

    async def _ask_engine(self, ask: Ask, app: str, *, first_try: bool) -> Any:
        """The response of this engine. Raises whatever goes wrong before its first byte."""
        from starlette.responses import Response, StreamingResponse

        answer = self._engines.call(app).remote(ask.method, ask.path, ask.body, ask.headers)
        headers = {PIN_HEADER: app, GENERATION_HEADER: str(self._engines.table.generation)}
        if first_try:
            self._shadow(ask, app)
        try:
            status, headers["content-type"], first = await self._engines.first(answer, app)
            ask.engine = app
            if headers["content-type"].startswith("text/event-stream"):
                self._metrics.first_byte(ask)
                return StreamingResponse(self._stream(ask, answer, status, first), status, headers=headers)
            body = b"".join([first, *[part async for part in answer]])
        except BaseException:
            give_up(answer)
            raise
        if status == 404 and body.startswith(b'{"detail"'):
            # vLLM mounts only the routes of its model's task, and says so in another shape than its other errors.
            raise Refusal(404, "not_served", f"this model does not serve {ask.path}", **headers)
        ask.outcome = f"{status // 100}xx"
        return Response(body, status, headers=headers)

    async def _stream(self, ask: Ask, answer: Any, status: int, first: bytes) -> AsyncIterator[bytes]:
        complete = False
        try:
            yield first
            async for part in answer:
                yield part
            complete = True
            ask.outcome = f"{status // 100}xx"
        except Exception as error:  # noqa: BLE001 - too late for another engine or another status: say so in the stream
            logger.warning("front: %s failed in the middle of a stream: %s", ask.engine, type(error).__name__)
            text = {"message": "the engine failed in the middle of this answer", "type": "engine_failed", "code": 502}
            yield b"data: " + json.dumps({"error": text}).encode() + b"\n\n"  # and no [DONE]: it is not complete
        finally:
            if not complete:
                give_up(answer)

    def _shadow(self, ask: Ask, app: str) -> None:
        """Send copies to the engines under test. They never delay, fail or change the answer."""
        if ask.method != "POST" or ask.pin:
            return
        for route in self._engines.table.routes:
            if route.app == app or random.random() >= route.shadow:  # noqa: S311
                continue
            if route.app not in self._engines.warm or len(self._copies) >= MAX_SHADOWS:
                self._metrics.shadows["dropped"] += 1
                continue
            self._metrics.shadows["sent"] += 1
            copy = asyncio.create_task(self._copy(ask, route.app))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)

    async def _copy(self, ask: Ask, app: str) -> None:
        answer = self._engines.call(app).remote(ask.method, ask.path, ask.body, ask.headers)
        try:
            async with asyncio.timeout(SHADOW_S):
                status, _, _ = await self._engines.first(answer, app)
                async for _ in answer:
                    pass
            if status >= 500:
                self._metrics.shadows["failed"] += 1
        except Exception as error:  # noqa: BLE001 - the client's answer comes from elsewhere
            give_up(answer)
            self._metrics.shadows["failed"] += 1
            logger.info("front: a copy to %s failed: %s", app, type(error).__name__)
