"""An engine application without vLLM: it has the `http` method that the front calls, and does what the body says.

Body: {"tokens": 3, "interval_s": 0.1, "stream": true, "die": "a", "die_after": 1, "raise": true, "hang": "b",
"ill": "b"}. It answers with its name, its pid and the headers that reached it. GET /load says how many requests run
now and how many ever came.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from ray import serve


class Lite:
    def __init__(self, name: str, start_s: float, broken: str | None) -> None:
        import time

        time.sleep(start_s)
        if broken:
            raise RuntimeError(broken)
        self.name, self.running, self.came = name, 0, 0

    async def http(self, method: str, path: str, body: bytes, headers: dict[str, str]):
        if path == "/health":
            yield (200, "text/plain", b"")
            return
        if path == "/load":
            yield (200, "application/json", json.dumps({"running": self.running, "came": self.came}).encode())
            return
        self.running, self.came = self.running + 1, self.came + 1
        try:
            order = json.loads(body or b"{}")
            if order.get("hang") == self.name:
                await asyncio.sleep(10)
            if order.get("raise") in (True, self.name):
                raise ValueError(f"broken on {body!r}")
            if order.get("die") in (self.name, "any"):
                os._exit(1)
            said = {"engine": self.name, "pid": os.getpid(), "path": path, "headers": headers, "bytes": len(body)}
            if not order.get("stream"):
                await asyncio.sleep(order.get("interval_s", 0))
                yield (500 if order.get("ill") == self.name else 200, "application/json", json.dumps(said).encode())
                return
            for index in range(order["tokens"]):
                event = b"data: " + json.dumps({**said, "index": index}).encode() + b"\n\n"
                yield event if index else (200, "text/event-stream", event)
                await asyncio.sleep(order.get("interval_s", 0))
                if order.get("die_after") == index:
                    os._exit(1)
            yield b"data: [DONE]\n\n"
        finally:
            self.running -= 1


def build(args: dict[str, Any]) -> Any:
    """The Serve application of one lite engine."""
    bound = serve.deployment(Lite, name="engine")
    return bound.bind(args["name"], args.get("start_s", 0), args.get("broken"))
