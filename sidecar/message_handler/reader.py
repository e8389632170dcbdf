"""Reads lines from a descriptor. It never waits for anything but bytes, so a cancel is always readable."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Final

from sidecar.message_handler.framing import MAX_LINE_BYTES, LineSplitter, LineTooLong

NO_LIMIT: Final = sys.maxsize
"""For the pipes between our own processes: what was let in, and its answer, may grow on the way."""

READ_BYTES: Final = 64 * 1024
"""The size of a Linux pipe: more would not be there to read."""


def read_lines(descriptor: int, limit: int = MAX_LINE_BYTES) -> Iterator[bytes | LineTooLong]:
    """Yield the lines of a descriptor until it ends. A read error (the other side is gone) is an end too."""
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
