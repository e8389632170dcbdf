"""The slice of the engine's threads, as the kernel tells it."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading

import pytest

from sidecar.core import time_slice

SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}


def slice_of_this_thread() -> tuple[int, int]:
    """Its nice value and its slice in ns, 0 from a kernel that knows none."""
    attributes = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(SCHED_GETATTR[platform.machine()], 0, attributes, 48, 0) == 0
    _, _, _, nice, _, runtime, _, _ = struct.unpack(time_slice.SCHED_ATTR, attributes.raw)
    return nice, runtime


@pytest.mark.skipif(platform.machine() not in SCHED_GETATTR or sys.platform != "linux", reason="Linux's call")
def test_a_thread_with_a_short_slice_starts_others_that_have_it() -> None:
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    seen: list[tuple[int, int]] = []

    def shorten_and_start_another() -> None:
        assert time_slice.shorten()
        inner = threading.Thread(target=lambda: seen.append(slice_of_this_thread()))
        inner.start()
        inner.join()

    before = slice_of_this_thread()
    outer = threading.Thread(target=shorten_and_start_another)
    outer.start()
    outer.join()
    expected = time_slice.SLICE_NS if release >= (6, 12) else before[1]
    assert seen == [(before[0], expected)]
    assert slice_of_this_thread() == before


def test_a_processor_whose_call_is_not_known_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert not time_slice.shorten()
