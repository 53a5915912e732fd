from __future__ import annotations

import asyncio
import time

import pytest

from infercli.serving.engine import asgi, build

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


def part(body: bytes, *, more: bool = True) -> dict:
    return {"type": "http.response.body", "body": body, "more_body": more}


def pieces_of(app, interval_s=0.05, body=b"asked"):
    """The pieces and when each came."""

    async def collect():
        began_s = time.monotonic()
        scope = asgi.scope_of("POST", "/v1/x", {"Accept": "a/b"})
        return [(p, time.monotonic() - began_s) async for p in asgi.answer(app, scope, body, interval_s)]

    return asyncio.run(collect())


def test_an_application_sees_the_request_and_its_answer_comes_back_whole():
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope, body=(await receive())["body"])
        await send({**START, "status": 418, "headers": [(b"content-type", b"text/plain"), (b"x", b"y")]})
        await send(part(b"short and stout", more=False))

    assert [piece for piece, _ in pieces_of(app)] == [(418, "text/plain", b"short and stout")]
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/v1/x", b"asked")
    assert seen["headers"] == [(b"accept", b"a/b")]


def test_an_answer_without_a_body_is_an_answer():
    async def app(scope, receive, send):
        await send({**START, "headers": []})
        await send(part(b"", more=False))

    assert [piece for piece, _ in pieces_of(app)] == [(200, "", b"")]


def test_the_first_piece_is_not_held_back_and_what_is_there_with_it_goes_along():
    async def app(scope, receive, send):
        await send(START)
        await send(part(b"role "))
        await send(part(b"token "))
        await asyncio.sleep(0.3)
        await send(part(b"late", more=False))

    (first, first_s), (second, second_s) = pieces_of(app, interval_s=1.0)
    assert first == (200, "text/event-stream", b"role token ")
    assert first_s < 0.2
    assert second == b"late"
    assert second_s < 0.8  # the end of the answer is not held back for the interval either


def test_later_pieces_are_gathered_for_the_interval():
    async def app(scope, receive, send):
        await send(START)
        for index in range(40):
            await send(part(b"%d " % index))
            await asyncio.sleep(0.01)
        await send(part(b"end", more=False))

    pieces = [piece for piece, _ in pieces_of(app, interval_s=0.1)]
    assert b"".join([pieces[0][2], *pieces[1:]]) == b"".join(b"%d " % index for index in range(40)) + b"end"
    # 40 parts of 10 ms or a little more, in pieces of 100 ms: 5 or 6 of them; more where the machine is slow.
    assert 4 <= len(pieces) <= 12


def test_what_the_application_raises_before_it_answers_is_raised():
    async def app(scope, receive, send):
        raise LookupError("before")

    with pytest.raises(LookupError, match="before"):
        pieces_of(app)


def test_an_application_that_never_answers_is_an_error_and_not_an_empty_answer():
    async def app(scope, receive, send):
        await receive()

    with pytest.raises(RuntimeError, match="without an answer"):
        pieces_of(app)


def test_an_answer_that_stops_in_the_middle_is_an_error_and_not_a_short_answer():
    async def app(scope, receive, send):
        await send(START)
        await send(part(b"half"))
        raise LookupError("after")

    with pytest.raises(RuntimeError, match="in the middle"):
        pieces_of(app)


def test_a_reader_that_leaves_disconnects_and_cancels_the_application():
    seen = []

    async def app(scope, receive, send):
        async def watch():
            await receive()
            seen.append((await receive())["type"])

        watcher = asyncio.create_task(watch())
        try:
            await send(START)
            while True:
                await send(part(b"on and on"))
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            seen.append("cancelled")
            await watcher
            raise

    async def leave():
        pieces = asgi.answer(app, asgi.scope_of("GET", "/", {}), b"", 0.01)
        await anext(pieces)
        await pieces.aclose()
        await asyncio.sleep(0.05)

    asyncio.run(leave())
    assert sorted(seen) == ["cancelled", "http.disconnect"]


def test_whatever_would_rebuild_an_engine_for_nothing_is_refused_in_its_arguments():
    with pytest.raises(ValueError, match="num_replicas"):
        build({"llm_config": {}, "num_replicas": 2})
    with pytest.raises(ValueError, match="llm_config"):
        build({})
