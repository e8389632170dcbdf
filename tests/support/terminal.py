"""A terminal whose rows tests can read: what a command shows to a person."""

from __future__ import annotations

import codecs
import re
import sys
from typing import Final

import pyte
from driver import WAIT_S

if sys.platform == "win32":
    from pseudo_console import PseudoConsole as Device
else:
    from pseudo_terminal import PseudoTerminal as Device

ROWS: Final = 24

CURSOR: Final = re.compile(r"\x1b\[\?25[hl]")
"""Shows or hides the cursor. A console of Windows does that around all that it writes."""


class Terminal:
    """A terminal with a command on it. `text` is all that came but CURSOR, `shown` what it shows."""

    def __init__(self, command: list[str], columns: int, environment: dict[str, str]) -> None:
        kept = {name: value for name, value in environment.items() if name != "COLUMNS"}
        self._device = Device(command, columns, ROWS, kept)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._screen = pyte.Screen(columns, ROWS)
        self._drawing = pyte.Stream(self._screen)
        self.pid = self._device.pid
        self.text = self._came = ""
        self._seen = 0

    def read(self) -> bool:
        """Take in what the command writes next; False at the end of its output."""
        try:
            data = self._device.read(WAIT_S)
        except TimeoutError:
            raise AssertionError(f"nothing more came: {self.text}") from None
        text = self._decoder.decode(data)
        self._came += text
        self.text = CURSOR.sub("", self._came)
        self._drawing.feed(text)
        return bool(data)

    def wait_for(self, pattern: str) -> str:
        """Read until this was written after what was waited for before; returns what was written until then."""
        while not (found := re.search(pattern, self.text[self._seen :], re.DOTALL)):
            assert self.read(), self.text
        self._seen += found.end()
        return self.text[: self._seen]

    def type(self, keys: str) -> None:
        """Press keys; "\\r" is Enter."""
        self._device.write(keys.encode())

    def press_ctrl_c(self) -> None:
        self._device.press_ctrl_c()

    def poll(self) -> int | None:
        """The exit status of the command, None while it runs."""
        return self._device.poll()

    def end(self) -> int:
        """Read to the end; returns the exit status."""
        while self.read():
            pass
        status = self._device.wait(WAIT_S)
        self._device.close()
        return status

    def shown(self) -> list[str]:
        """Its rows that are not empty; a line that wrapped is two."""
        return [row.rstrip() for row in self._screen.display if row.strip()]
