"""The first process of a sandbox: brings its network up, starts what it is told to, relays connections, and reaps.

It is run by sandbox.py as `python -IS sandbox_init.py CONTROL_FD POD_NETWORK` inside new namespaces, and obeys one JSON
request at a time from that socket. The one thing to know: the end of that socket is the end of everything. When the
other side closes it, this process leaves, and as it is the first of its process namespace the kernel kills the rest.

Standard library only, and few of its modules: every sandbox pays for this start.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import ipaddress
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from typing import Any

# linux/sockios.h
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 1  # linux/if.h

# A start request carries a whole environment. The kernel's default for a packet of such a socket is 208 KiB.
MAX_REQUEST_BYTES = 1 << 18


def bring_up(network: str) -> None:
    """Brings the loopback up with the first address of `network`.

    An address on a loopback makes its whole network local, so all of 10.99.0.0/16 then answers here. The ioctls are
    older than `ip`, which slim systems lack.
    """
    pods = ipaddress.IPv4Network(network)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags: int = struct.unpack("16sH22x", request)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
        for number, address in ((SIOCSIFADDR, pods[1]), (SIOCSIFNETMASK, pods.netmask)):
            fcntl.ioctl(any_socket, number, struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, address.packed))


class Init:
    """Processes by name, and their ends."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ended: dict[int, int] = {}
        self.servers: list[asyncio.Server] = []

    def reap(self) -> None:
        """Collects every child that has ended: our own, and the orphans that fall to a first process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ended[pid] = os.waitstatus_to_exitcode(status)

    def returncode(self, name: str) -> int | None:
        self.reap()
        return self.ended.get(self.processes[name].pid)

    def start(self, request: dict[str, Any], fds: list[int]) -> None:
        """Starts a process. Its Popen is never asked how it ended: reap() has collected it."""
        name = request["name"]
        if name in self.processes and self.returncode(name) is None:
            raise ValueError(f"{name} runs already")
        stdin, stdout, stderr = fds
        self.processes[name] = subprocess.Popen(
            request["argv"],
            env=request["env"],
            cwd=request["cwd"],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def signal(self, name: str, number: int, *, group: bool) -> None:
        """Sends a signal. To a group also after its leader has ended: that is when its members are left over."""
        if group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.processes[name].pid, number)
        elif self.returncode(name) is None:
            os.kill(self.processes[name].pid, number)

    async def obey(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        """Does one thing; the file descriptors stay the caller's to close."""
        match request["do"]:
            case "hello":
                return {}
            case "start":
                self.start(request, fds)
                return {}
            case "poll":
                return {"returncode": self.returncode(request["name"])}
            case "signal":
                self.signal(request["name"], request["signal"], group=request["group"])
                return {}
            case "forward":
                listener = socket.socket(fileno=os.dup(fds[0]))
                listener.setblocking(False)
                target = request["host"], request["port"]

                async def relay_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    await relay(reader, writer, *target)

                self.servers.append(await asyncio.start_server(relay_one, sock=listener))
                return {}
            case unknown:
                raise ValueError(f"no such request: {unknown}")

    async def serve(self) -> None:
        """Obeys until the control socket ends."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        while True:
            readable = asyncio.Event()
            loop.add_reader(self.control, readable.set)
            await readable.wait()
            loop.remove_reader(self.control)
            data, fds, _, _ = socket.recv_fds(self.control, MAX_REQUEST_BYTES, 3)
            if not data:
                return
            try:
                answer = await self.obey(json.loads(data), list(fds))
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is the other side's to judge
                answer = {"error": f"{type(problem).__name__}: {problem}"}
            finally:
                for fd in fds:
                    os.close(fd)
            self.control.send(json.dumps(answer).encode())


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Carries bytes both ways, each direction ended on its own, until both have ended or one has broken."""
    try:
        inner_reader, inner_writer = await asyncio.open_connection(host, port)
    except OSError:
        # Reset it: an orderly end would read as an empty answer.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        return
    try:
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
    except OSError:
        for broken in (writer, inner_writer):
            broken.transport.abort()
    finally:
        for end in (writer, inner_writer):
            end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def main(control_fd: int, network: str) -> None:
    """Runs until the control socket ends; what still runs then is killed by the kernel."""
    bring_up(network)
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    asyncio.run(Init(control).serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
    os._exit(0)
