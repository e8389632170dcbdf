"""An rpc-worker on loopback: devices that any machine has."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
from driver import WAIT_S, Sidecar
from rpc_server import free_port

from sidecar.hardware import rpc_servers


class Worker:
    """An rpc-worker on loopback."""

    def __init__(
        self, start: Callable[..., Sidecar], port: int | None = None, new_session: bool = False
    ) -> None:
        port = port or free_port()
        self.port = port
        self.endpoint = f"127.0.0.1:{port}"
        # One thread: several wait for each other whenever something else computes on this machine, too.
        arguments = ("rpc-worker", "--port", str(port), "--threads", "1")
        self.program: Sidecar = start(*arguments, new_session=new_session)
        deadline = time.monotonic() + WAIT_S
        while rpc_servers.unavailable([self.endpoint]):
            assert time.monotonic() < deadline, self.program.log()
            time.sleep(0.05)

    @property
    def memory_bytes(self) -> int:
        return int(self.program.router().memory_info().rss)

    def kill(self) -> None:
        process = self.program.router()
        process.kill()
        psutil.wait_procs([process], WAIT_S)
