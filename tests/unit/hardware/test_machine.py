"""Memory, read here on Linux and reported by psutil elsewhere: both say the same."""

from __future__ import annotations

import platform
import subprocess
import sys

import psutil
import pytest

from sidecar.hardware.machine import Machine, architecture, available_bytes, process_memory

NEAR = 16 * 1024 * 1024


def test_a_process_takes_what_psutil_says() -> None:
    before, ours, after = psutil.Process().memory_info(), process_memory(), psutil.Process().memory_info()
    # Threads of earlier tests may still end, so the figures move while they are read.
    assert min(before.rss, after.rss) - NEAR < ours.resident < max(before.rss, after.rss) + NEAR
    assert min(before.vms, after.vms) - NEAR < ours.virtual < max(before.vms, after.vms) + NEAR
    if sys.platform == "linux":
        assert 0 < ours.shared <= ours.resident


def test_so_does_another_one() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert process_memory(other.pid).resident > 0
        other.communicate(b"\n")
    assert process_memory(other.pid).resident == 0, "it is gone"


@pytest.mark.skipif(sys.platform != "linux", reason="of the two files in /proc")
def test_on_linux_psutil_is_not_imported_for_it() -> None:
    code = """
import sys
from sidecar.hardware.machine import Machine, architecture, available_bytes, process_memory
assert available_bytes() > 0 and process_memory().resident > 0
print("psutil" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert ran.stdout.strip() == b"False"


def test_no_more_is_available_than_the_system_has() -> None:
    assert 0 < available_bytes() < psutil.virtual_memory().total


def test_the_architecture_is_known_without_asking_windows_management(monkeypatch: pytest.MonkeyPatch) -> None:
    assert architecture() == platform.machine().lower()
    monkeypatch.setattr(platform, "machine", lambda: pytest.fail("platform.machine asks WMI"))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PROCESSOR_ARCHITECTURE", "AMD64")
    assert architecture() == "amd64"
    assert "AVX2" in Machine.here().features
