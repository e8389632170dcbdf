"""Reads lines from a descriptor. It waits only for bytes, so a cancel is always read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Final

from sidecar.message_handler.framing import MAX_LINE_BYTES, LineSplitter, LineTooLong

NO_LIMIT: Final = sys.maxsize
"""For the pipes between the program's own processes: a message within the limit may grow on its way."""

READ_BYTES: Final = 64 * 1024
"""The size of a Linux pipe: one read never returns more."""


def read_lines(descriptor: int, limit: int = MAX_LINE_BYTES) -> Iterator[bytes | LineTooLong]:
    """Yield the lines of a descriptor until it ends. A read error (the other side is gone) counts as the end."""
    splitter = LineSplitter(limit)
    while True:
        try:
            chunk = os.read(descriptor, READ_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            last = splitter.end()
            if last:
                yield last
            return
        yield from splitter.feed(chunk)
