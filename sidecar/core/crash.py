"""A wrong memory access inside a library ends the process, as its memory cannot be trusted any more.

Elsewhere the system does that. On Windows ctypes catches it and raises OSError, in words of its own.
"""

from __future__ import annotations

import os
from typing import Final

from sidecar.message_handler import log

WORDS: Final = "exception"
"""With it ctypes' own messages begin, as in "exception: access violation reading 0x0000000000000008"."""

STATUS: Final = 0xC0000005 - (1 << 32)
"""With it Windows itself would have ended the process: an access violation, as the C int that `_exit` takes."""

FLUSH_S: Final = 0.2
"""Seconds that the log's last lines may take."""


def end_if_caught(error: BaseException) -> None:
    """End the process if ctypes has caught a crash of a library, and return otherwise."""
    if isinstance(error, OSError) and error.errno is None and str(error).startswith(WORDS):
        log.log_exception("a library crashed", error)
        log.flush(FLUSH_S)
        os._exit(STATUS)
