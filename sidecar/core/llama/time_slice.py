"""How long a compute thread may keep a processor that another thread, just woken, waits for."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Final

SLICE_NS: Final = 100_000
"""The shortest that Linux takes; its default is about 3 ms. The share of the processor stays the same."""

SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
SCHED_FLAG_KEEP_POLICY: Final = 0x08
SCHED_ATTR: Final = "IIQiIQQQ"
"""struct sched_attr, first version: size, policy, flags, nice, priority, runtime (the slice), deadline, period."""


def shorten() -> bool:
    """Let this thread, and those that it starts, be preempted after SLICE_NS. Whether the system was asked and agreed.

    With a compute thread on each processor, whoever wakes there (our router, the app's window) waits for the
    rest of the running thread's slice: `cat` takes 5 ms to answer at the 99th percentile. Linux 6.12 and newer
    take a slice for a thread from sched_setattr(2); older ones ignore it, and other systems raise the priority
    of what wakes by themselves.
    """
    if sys.platform != "linux" or os.uname().machine not in SCHED_SETATTR:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    size = struct.calcsize(SCHED_ATTR)
    attributes = struct.pack(SCHED_ATTR, size, 0, SCHED_FLAG_KEEP_POLICY, nice, 0, SLICE_NS, 0, 0)
    status = ctypes.CDLL(None).syscall(SCHED_SETATTR[os.uname().machine], 0, attributes, 0)
    return bool(status == 0)
