"""Two requests or two programs want the same file: one downloads it, and all are answered."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from download_work import FILE, MOST_TWICE, REPO, SPEC, TARGET, Begin, Downloads, assert_whole, kill
from hub import Hub, Synthetic

pytestmark = pytest.mark.process

BIG = Synthetic(6_000_000, seed=1)

SLOWLY = 10_000
"""Bytes per second and connection: a download takes more than a minute, which is long enough on any machine for
another process to begin."""


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a repository with one large file, that comes slowly."""
    hub.fault(TARGET, bytes_per_second=200_000, times=None, origin="cdn")
    return hub.add(REPO, {FILE: BIG})


def assert_fetched_once(downloads: Downloads) -> None:
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) == BIG.size
    assert [path.name for path in downloads.files()] == [FILE]
    assert not downloads.unfinished()


def test_three_requests(downloads: Downloads) -> None:
    requests = [downloads.send() for _ in range(3)]
    results = [downloads.sidecar.result(request) for request in requests]
    for result in results:
        assert_whole(result, BIG)
    assert len({result["path"] for result in results}) == 1
    assert_fetched_once(downloads)


def test_a_waiting_request_sees_the_progress_of_the_other(downloads: Downloads) -> None:
    slower = downloads.hub.fault(TARGET, bytes_per_second=SLOWLY, times=None, origin="cdn")
    first = downloads.send()
    downloads.wait_bytes(first, 1)
    second = downloads.send()
    for _ in range(2):  # what it sees comes from the other
        downloads.wait_bytes(second, 1 + max(counts(downloads, second), default=0))
    slower.bytes_per_second = None
    for request in (first, second):
        assert_whole(downloads.sidecar.result(request), BIG)
    seen = counts(downloads, second)
    assert seen == sorted(seen) and seen[-1] == BIG.size
    assert_fetched_once(downloads)


def counts(downloads: Downloads, request: int) -> list[int]:
    """Bytes that the progress of a download has told."""
    return [params["downloadedBytes"] for params in downloads.sidecar.progress(request, "download")]


def test_forced_at_the_same_time(downloads: Downloads) -> None:
    """A request that waited for a forced download has what it asked for, too."""
    slower = downloads.hub.fault(TARGET, bytes_per_second=SLOWLY, times=None, origin="cdn")
    requests = [downloads.send(force=True) for _ in range(2)]
    for request in requests:
        downloads.wait_bytes(request, 1)
    slower.bytes_per_second = None
    for request in requests:
        assert_whole(downloads.sidecar.result(request), BIG)
    assert_fetched_once(downloads)


def test_two_programs(begin: Begin) -> None:
    first, second = begin(), begin()
    requests = [first.send(), second.send()]
    assert_whole(first.sidecar.result(requests[0]), BIG)
    assert_whole(second.sidecar.result(requests[1]), BIG)
    assert_fetched_once(first)


@pytest.mark.parametrize("end", ["abort", "kill the transfer", "kill the program"])
def test_a_waiting_request_continues_when_the_other_ends(begin: Begin, end: str) -> None:
    first, second = begin(), begin()
    first.hub.fault(TARGET, bytes_per_second=400_000, trickle_after=2_000_000, times=None, origin="cdn")
    fetching = first.send()
    first.wait_bytes(fetching, 1_000_000)
    waiting = second.send()
    second.wait_bytes(waiting, 1_000_000)
    first.hub.faults.clear()
    if end == "abort":
        first.abort(fetching)
    elif end == "kill the transfer":
        kill(first.transfer())
    else:
        kill(psutil.Process(first.sidecar.process.pid))
    assert_whole(second.sidecar.result(waiting), BIG)
    second.hub.settle()
    assert second.hub.sent(TARGET) <= BIG.size + MOST_TWICE
    assert not second.unfinished()


def test_two_models_at_once(downloads: Downloads) -> None:
    other = Synthetic(2_000_000, seed=2)
    downloads.hub.add(REPO, {"Model-Q8_0.gguf": other})
    requests = [downloads.send(), downloads.send(f"hf:{REPO}:Q8_0")]
    assert_whole(downloads.sidecar.result(requests[0]), BIG)
    assert_whole(downloads.sidecar.result(requests[1]), other)


def test_other_requests_are_answered_meanwhile(downloads: Downloads) -> None:
    slower = downloads.hub.fault(TARGET, bytes_per_second=SLOWLY, times=None, origin="cdn")
    request = downloads.send()
    downloads.wait_bytes(request, 1)
    assert len(downloads.transfers()) == 1
    for _ in range(20):
        downloads.sidecar.call("ping")
    assert not downloads.sidecar.has_response(request), "make the file larger"
    slower.bytes_per_second = None
    assert_whole(downloads.sidecar.result(request), BIG)


def test_the_lock_of_a_dead_program_delays_no_other(downloads: Downloads) -> None:
    request = downloads.send()
    downloads.wait_bytes(request, 1_000_000)
    kill(downloads.transfer())
    assert downloads.sidecar.response(request)["error"]["data"]["kind"] == "transferCrashed"
    locks = [path for path in downloads.directory.rglob("*.lock") if path.is_file()]
    assert locks, "this test looks for the wrong file"
    downloads.hub.faults.clear()
    assert_whole(downloads.fetch(SPEC), BIG)


def test_the_record_is_complete_after_two_requests(downloads: Downloads) -> None:
    for request in [downloads.send() for _ in range(2)]:
        downloads.sidecar.result(request)
    (record,) = [path for path in downloads.directory.rglob("*.json") if path.is_file()]
    assert json.loads(record.read_text(encoding="utf-8"))["sha256"] == BIG.sha256
    assert Path(record).stat().st_size < 64_000
