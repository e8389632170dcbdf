"""The time slices of threads, as Linux reports them."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import NamedTuple

from sidecar.core.llama.time_slice import SCHED_ATTR, SCHED_SETATTR

SIZE = struct.calcsize(SCHED_ATTR)
CAN_BE_READ = sys.platform == "linux" and os.uname().machine in SCHED_SETATTR


class Slice(NamedTuple):
    """A thread's nice value and its slice in nanoseconds."""

    nice: int
    ns: int


def of_thread(thread: int = 0) -> Slice:
    """The slice of the thread with this id; 0: the caller's."""
    attributes = ctypes.create_string_buffer(SIZE)
    number = SCHED_SETATTR[os.uname().machine] + 1  # sched_getattr is the next call on both
    assert ctypes.CDLL(None).syscall(number, thread, attributes, SIZE, 0) == 0
    _, _, _, nice, _, runtime, _, _ = struct.unpack(SCHED_ATTR, attributes.raw)
    return Slice(nice, runtime)


def can_be_set() -> bool:
    """Whether this kernel takes a slice; older ones ignore it."""
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 12)
