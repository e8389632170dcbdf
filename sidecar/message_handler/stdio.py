"""Reserves stdin and stdout for the protocol, before any other module is imported.

llama.cpp, libraries and stray `print`s write to descriptor 1. So the protocol moves to private descriptors, 1 becomes
stderr and 0 becomes an empty file: printed text ends up next to the log, and no library can read a request. This
module imports only what Python has already loaded.
"""

from __future__ import annotations

import os
import sys


def claim() -> tuple[int, int]:
    """Move the protocol to private descriptors.

    Returns (input descriptor, output descriptor), both binary and not inherited by child processes.
    Raises OSError if descriptor 0 or 1 is closed.
    """
    try:
        os.fstat(2)
    except OSError:  # no stderr: the next opened file would get descriptor 2 and receive the log
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        if null != 2:
            os.close(null)
    protocol_in, protocol_out = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(protocol_in, os.O_BINARY)
        msvcrt.setmode(protocol_out, os.O_BINARY)
    else:  # a terminal may be non-blocking because of another program that uses it
        os.set_blocking(protocol_in, True)
        os.set_blocking(protocol_out, True)
    return protocol_in, protocol_out


def release(protocol_in: int, protocol_out: int) -> None:
    """Undo `claim`, for the commands that talk to a person."""
    os.dup2(protocol_in, 0)
    os.dup2(protocol_out, 1)
    os.close(protocol_in)
    os.close(protocol_out)
    sys.stdout = sys.__stdout__
