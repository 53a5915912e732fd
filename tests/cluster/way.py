"""The way to the API server, with faults: a proxy in front of it that refuses, breaks off and answers in its stead.

The one thing to know: it speaks plain HTTP to who asks, and passes credentials on, so the API server still judges them.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Fault = Callable[[str, str, bytes], str | int | None]
"""Method, path and body -> `before` (the connection is reset, nothing was done), `after` (it is reset when all was
done), a status that the API server answers in its stead, or None (passed on)."""

OF_A_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


class Way:
    """On a port of its own, which stays the same while nobody listens."""

    def __init__(self, kubeconfig: Path) -> None:
        self.content = json.loads(kubeconfig.read_text())
        cluster = self.content["clusters"][0]["cluster"]
        self._server = urlsplit(cluster["server"])
        self._trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.fault: Fault | None = None
        self.passed: list[tuple[str, str]] = []
        """Method and path of what the API server was asked, in order."""
        self._open: set[socket.socket] = set()
        self._listening: http.server.ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    def kubeconfig(self, file: Path, **user: Any) -> Path:
        """A copy of the kubeconfig that goes this way; `user`: other credentials."""
        content = json.loads(json.dumps(self.content))
        content["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        content["users"][0]["user"] = user or content["users"][0]["user"]
        file.write_text(json.dumps(content))
        return file

    def up(self) -> None:
        """Listen."""
        self._listening = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._listening.daemon_threads = True
        self.port = self._listening.server_port
        threading.Thread(target=self._listening.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and break off those that are open."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.shutdown()
            listening.server_close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def down_for(self, seconds: float) -> threading.Timer:
        """Down now, and up again by itself."""
        self.down()
        timer = threading.Timer(seconds, self.up)
        timer.start()
        return timer

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        way = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                way._open.add(self.connection)

            def finish(self) -> None:
                way._open.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = way.fault(self.command, self.path, body) if way.fault is not None else None
                if isinstance(fault, int):
                    return self._answer(fault, *_status(fault))
                if fault == "before":
                    return self._break_off()
                way.passed.append((self.command, self.path))
                status, headers, data = way._pass_on(self.command, self.path, body, dict(self.headers.items()))
                return self._break_off() if fault == "after" else self._answer(status, headers, data)

            def _break_off(self) -> None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _pass_on(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        asked = http.client.HTTPSConnection(self._server.hostname or "", self._server.port, context=self._trust)
        with contextlib.closing(asked):
            asked.request(method, path, body or None, {k: v for k, v in headers.items() if _of_request(k)})
            answer = asked.getresponse()
            return answer.status, {k: v for k, v in answer.getheaders() if _of_request(k)}, answer.read()


def _of_request(name: str) -> bool:
    return name.lower() not in OF_A_CONNECTION


def _status(code: int) -> tuple[dict[str, str], bytes]:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": f"a fault of the way: {code}"}
    more = {"Retry-After": "1"} if code in (429, 503) else {}
    return {"Content-Type": "application/json", **more}, json.dumps(said | {"code": code}).encode()


@contextlib.contextmanager
def way_to(kubeconfig: Path) -> Iterator[Way]:
    """A way that is closed afterwards."""
    made = Way(kubeconfig)
    try:
        yield made
    finally:
        made.down()
