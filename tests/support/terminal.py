"""A terminal whose rows tests can read: what a command shows to a person. Not on Windows."""

from __future__ import annotations

import os
import re
import select
import subprocess

from driver import WAIT_S


class Terminal:
    """A pseudo-terminal with a command on it; `rows` is what it shows, lines that wrapped as two."""

    def __init__(self, command: list[str], columns: int, environment: dict[str, str]) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        kept = {name: value for name, value in environment.items() if name != "COLUMNS"}

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=kept,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(slave)
        self.columns = columns
        self.text = ""
        self.rows = [""]
        self._cursor = 0
        self._seen = 0

    def read(self) -> bool:
        """Take in what the command writes next; False at the end of its output."""
        assert select.select([self._master], [], [], WAIT_S)[0], f"nothing more came: {self.text}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            data = b""
        for character in data.decode("utf-8", "replace"):
            self.text += character
            if character == "\r":
                self._cursor = 0
            elif character == "\n" or self._cursor == self.columns:
                self.rows.append("")
                self._cursor = 0
            if character not in "\r\n":
                row = self.rows[-1].ljust(self._cursor)
                self.rows[-1] = row[: self._cursor] + character + row[self._cursor + 1 :]
                self._cursor += 1
        return bool(data)

    def wait_for(self, pattern: str) -> str:
        """Read until this was written after what was waited for before; returns what was written until then."""
        while not (found := re.search(pattern, self.text[self._seen :], re.DOTALL)):
            assert self.read(), self.text
        self._seen += found.end()
        return self.text[: self._seen]

    def type(self, keys: str) -> None:
        """Press keys; "\\r" is Enter."""
        os.write(self._master, keys.encode())

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def end(self) -> int:
        """Read to the end; returns the exit status."""
        while self.read():
            pass
        os.close(self._master)
        return self.process.wait(WAIT_S)

    def shown(self) -> list[str]:
        return [row.rstrip() for row in self.rows if row.strip()]
