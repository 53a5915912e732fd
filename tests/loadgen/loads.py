"""What tests of loads have in common."""

from __future__ import annotations

import contextlib
import socket
import threading

from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.loadgen import Target, run

ROUNDED_S = 1e-6
LATE_S = 0.25
"""What a machine that does other work may add."""


def go(server, conversations=None, *, api="chat", workers=None, **load):
    target = Target(parse_endpoint(server.url), "tiny", api)
    conversations = conversations or [single(f"prompt {i}") for i in range(50)]
    return run(target, Load(**{"max_tokens": 8, "timeout_s": 20.0, **load}), conversations, workers=workers)


@contextlib.contextmanager
def answering(text: str):
    """A server that answers everything with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(text.encode())
                    connection.recv(1 << 16)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
