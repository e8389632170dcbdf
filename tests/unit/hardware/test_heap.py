"""The heap: what blocks of all sizes leave behind in a process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

GLIBC = platform.libc_ver()[0] == "glibc"

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


@pytest.mark.skipif(not GLIBC, reason="glibc's own")
def test_what_is_freed_between_other_blocks_goes_back() -> None:
    assert beyond(fixed=True) + 10_000_000 < beyond(fixed=False)


THREADS = """
import ctypes, re, tempfile, threading
import psutil
from sidecar.hardware import heap
if {shared}:
    heap.share_heaps()
gate = threading.Barrier(5)
def work():
    held = [bytearray(1000) for _ in range(10_000)]
    gate.wait(30)
    del held[:-1]  # the last one keeps all before it from going back by itself
    gate.wait(30)
    gate.wait(30)  # a thread that ends frees its last one too
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
gate.wait(30)
gate.wait(30)
full = psutil.Process().memory_info().rss
heap.give_free_pages_back()
print(full - psutil.Process().memory_info().rss)
gate.wait(30)
for thread in threads:
    thread.join()
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(c.fopen(file.name.encode(), b"w"))
    c.malloc_info(0, stream)
    c.fclose(stream)
    print(len(re.findall(b"<heap nr=", file.read())))
"""


@pytest.mark.skipif(not GLIBC, reason="glibc's own")
def test_threads_share_a_heap_whose_free_pages_go_back() -> None:
    def run(shared: bool) -> list[int]:
        """Bytes that went back, and the number of heaps."""
        code = THREADS.format(shared=shared)
        return [
            int(line)
            for line in subprocess.run(
                [sys.executable, "-c", code], check=True, capture_output=True
            ).stdout.split()
        ]

    given_back, heaps = run(shared=True)
    assert given_back > 20_000_000
    assert heaps == 1
    assert run(shared=False)[1] > 1
