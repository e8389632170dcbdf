"""A pseudo-terminal with a command on it. Windows has pseudo-consoles instead."""

from __future__ import annotations

import os
import select
import subprocess
import sys

if sys.platform != "win32":
    import fcntl
    import pty
    import struct
    import termios


class PseudoTerminal:
    """Runs a command on a terminal of this size. `close` ends the terminal."""

    def __init__(self, command: list[str], columns: int, rows: int, environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(slave)
        self.pid = self._process.pid

    def read(self, seconds: float) -> bytes:
        """What the command writes next; b"" at the end. Raises TimeoutError if nothing comes for so long."""
        if not select.select([self._master], [], [], seconds)[0]:
            raise TimeoutError
        try:
            return os.read(self._master, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            return b""

    def write(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def press_ctrl_c(self) -> None:
        self.write(b"\x03")

    def poll(self) -> int | None:
        """The exit status of the command, None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def close(self) -> None:
        os.close(self._master)
