"""The transfer process is killed again and again at random points: the file is right, and few bytes come twice."""

from __future__ import annotations

import random
import time
from functools import partial

import psutil
import pytest
from download_work import BLOCK, IN_FLIGHT, MOST_TWICE, REPO, Begin, Downloads, assert_whole, kill
from hub import Hub, Synthetic
from hub.client import wait_until
from liveness import alive

from sidecar.models.download import journal

pytestmark = [pytest.mark.process, pytest.mark.slow]

KILLS = 16
SEED = 20260101

SPEED = 1_500_000
"""Bytes per second and connection: slower than the program reads, so that its buffers stay empty."""

SIZE = 24_000_000
"""Size of each file. There are as many files as the kills need."""

EARLY, EARLY_S = 0.2, 0.3
"""Share of the kills, and the seconds from the start within which they come, mostly before the first byte."""

WORK_S = 1.0
"""Seconds after that within which the others come: meanwhile more bytes arrive than a kill may cost."""


def test_killed_at_random_points(begin: Begin, hub: Hub) -> None:
    hub.fault(f"{REPO}/*", bytes_per_second=SPEED, times=None, origin="cdn")
    downloads = begin()
    chance = random.Random(SEED)
    names: list[str] = []
    kills = 0
    while kills < KILLS:
        name, content = f"Model{len(names)}-Q4_K_M.gguf", Synthetic(SIZE, seed=len(names))
        names.append(name)
        hub.add(REPO, {name: content})
        killed = kill_until_done(downloads, name, chance, KILLS - kills)
        assert_whole(downloads.fetch(f"hf:{REPO}/{name}"), content)
        hub.settle()
        twice = hub.sent(f"{REPO}/{name}") - SIZE
        assert 0 <= twice <= killed * (BLOCK + IN_FLIGHT)
        kills += killed
    assert sorted(path.name for path in downloads.files()) == sorted(names)
    assert not downloads.unfinished()


def kill_until_done(downloads: Downloads, name: str, chance: random.Random, most: int) -> int:
    """Begin a download and kill its process again and again; returns how often it was killed.

    After each kill all that was sent is on the disk, except for a block and what was on its way.
    """
    target = f"{REPO}/{name}"
    before = on_disk = 0
    for killed in range(most):
        request = downloads.send(f"hf:{target}")
        process = downloads.transfer()
        if chance.random() < EARLY:
            time.sleep(chance.uniform(0, EARLY_S))
        else:
            wait_until(partial(works_or_is_done, downloads.hub, target, before, process))
            time.sleep(chance.uniform(0, WORK_S))
        kill(process)
        error = downloads.sidecar.response(request).get("error")
        if error is None:
            return killed
        assert error["data"]["kind"] == "transferCrashed"
        downloads.hub.settle()
        sent, kept = downloads.hub.sent(target), bytes_on_disk(downloads, name)
        assert 0 <= (sent - before) - (kept - on_disk) <= MOST_TWICE
        before, on_disk = sent, kept
    return most


def bytes_on_disk(downloads: Downloads, name: str) -> int:
    """The bytes of a file on the disk, by its journal; all, if it has its final name."""
    if any(path.name == name for path in downloads.files()):
        return SIZE
    return journal.downloaded_bytes(str(downloads.directory / ".llama-sidecar" / REPO / f"{name}.journal"))


def works_or_is_done(hub: Hub, target: str, before: int, process: psutil.Process) -> bool:
    """Whether more bytes have come, or the download has ended."""
    return hub.sent(target) > before or not alive(process)
