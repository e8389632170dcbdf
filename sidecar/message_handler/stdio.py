"""Takes stdin and stdout away from everybody else, before anybody else is imported.

llama.cpp, libraries and stray `print`s write to descriptor 1 as they please. So the protocol moves to
private descriptors, 1 becomes stderr and 0 becomes an empty file: whatever is printed by whomever lands
beside the log, and nobody can eat a request. This file imports only what Python has loaded already.
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
    except OSError:  # no stderr at all: the next descriptor would become 2, and the log be written there
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
    else:  # a terminal may come non-blocking from the program that shares it
        os.set_blocking(protocol_in, True)
        os.set_blocking(protocol_out, True)
    return protocol_in, protocol_out


def release(protocol_in: int, protocol_out: int) -> None:
    """Undo `claim`, for the commands that talk to a person instead of a program."""
    os.dup2(protocol_in, 0)
    os.dup2(protocol_out, 1)
    os.close(protocol_in)
    os.close(protocol_out)
    sys.stdout = sys.__stdout__
