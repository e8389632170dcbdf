"""The heap: what blocks of all sizes leave behind in a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORK = """
import random
from sidecar.hardware import heap
if {fixed}:
    heap.give_large_blocks_back()
chance, held = random.Random(3), []
for number in range(300):
    held.append(bytearray(chance.randrange(1_000_000, 24_000_000)))
    for at in range(0, len(held[-1]), 4096):
        held[-1][at] = 1
    while sum(map(len, held)) > {live}:
        del held[0]
import psutil
print(psutil.Process().memory_info().rss - sum(map(len, held)))
"""
LIVE = 100_000_000


def beyond(fixed: bool) -> int:
    """How many bytes a process has beyond the blocks that it holds."""
    code = WORK.format(fixed=fixed, live=LIVE)
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_what_is_freed_between_other_blocks_goes_back() -> None:
    assert beyond(fixed=True) + 10_000_000 < beyond(fixed=False)
