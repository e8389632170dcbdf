"""The scheduling time slice that the kernel reports for a thread."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import pytest
import time_slices

from sidecar.core.llama import time_slice

pytestmark = pytest.mark.skipif(not time_slices.CAN_BE_READ, reason="Linux's call")


def test_a_thread_with_a_short_slice_starts_others_that_have_it() -> None:
    seen: list[time_slices.Slice] = []

    def shorten_and_start_another() -> None:
        assert time_slice.shorten()
        inner = threading.Thread(target=lambda: seen.append(time_slices.of_thread()))
        inner.start()
        inner.join()

    before = time_slices.of_thread()
    outer = threading.Thread(target=shorten_and_start_another)
    outer.start()
    outer.join()
    expected = time_slice.SLICE_NS if time_slices.can_be_set() else before.ns
    assert seen == [(before.nice, expected)]
    assert time_slices.of_thread() == before


def test_a_processor_whose_call_is_not_known_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="vax"))
    assert not time_slice.shorten()
