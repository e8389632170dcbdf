"""An rpc-worker on loopback: devices that any machine has."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
from driver import WAIT_S, Sidecar
from rpc_server import free_port

from sidecar.hardware import rpc_servers

TRIES = 3
"""Ports that are tried: another program may take one before the worker does."""


class Worker:
    """An rpc-worker on loopback."""

    def __init__(
        self, start: Callable[..., Sidecar], port: int | None = None, new_session: bool = False
    ) -> None:
        for _ in range(TRIES):
            self.port = port or free_port()
            self.endpoint = f"127.0.0.1:{self.port}"
            # One thread: several wait for each other whenever something else computes on this machine, too.
            arguments = ("rpc-worker", "--port", str(self.port), "--threads", "1")
            self.program: Sidecar = start(*arguments, new_session=new_session)
            if self._serves():
                return
        raise AssertionError(self.program.log())

    def _serves(self) -> bool:
        """Wait until it answers; False if it ends before."""
        deadline = time.monotonic() + WAIT_S
        while self.program.process.poll() is None:
            if not rpc_servers.unavailable([self.endpoint]):
                return True
            assert time.monotonic() < deadline, self.program.log()
            time.sleep(0.05)
        return False

    @property
    def memory_bytes(self) -> int:
        return int(self.program.router().memory_info().rss)

    def kill(self) -> None:
        process = self.program.router()
        process.kill()
        psutil.wait_procs([process], WAIT_S)
