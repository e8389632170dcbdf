"""downloadModel continues where it stopped: after an abort, a crash or kill -9, also in another process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from download_work import (
    FILE,
    MOST_TWICE,
    REPO,
    SPEC,
    TARGET,
    Begin,
    Downloads,
    assert_whole,
    kill,
    sha256_of,
)
from driver import WAIT_S
from hub import Hub, Synthetic
from hub.client import wait_until

pytestmark = pytest.mark.process

BIG = Synthetic(12_000_000, seed=1)
SOME = 2_000_000
"""Bytes that have come when a download is interrupted."""
SLOW = {"bytes_per_second": 400_000, "trickle_after": SOME + 1_000_000, "times": None}
"""On several connections; then so little that the download still runs when it is interrupted."""


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a repository with one large file, of which the first bytes come slowly, the others hardly."""
    hub.fault(TARGET, **SLOW, origin="cdn")
    return hub.add(REPO, {FILE: BIG})


def finish(downloads: Downloads, kept: int, interruptions: int = 1) -> None:
    """Fetch the rest at full speed; almost nothing comes twice."""
    wait_until(lambda: not downloads.transfers())  # a process that still ends would fetch fast, too
    downloads.hub.faults.clear()
    assert not downloads.files(), "a part has the final name"
    result = downloads.fetch(SPEC)
    assert_whole(result, BIG)
    assert kept <= result["resumedBytes"] < BIG.size
    assert result["files"][0]["resumedBytes"] == result["resumedBytes"]
    assert not result["fromCache"]
    downloads.hub.settle()
    assert BIG.size <= downloads.hub.sent(TARGET) <= BIG.size + interruptions * MOST_TWICE
    assert not downloads.unfinished()


def test_after_an_abort(downloads: Downloads) -> None:
    download = downloads.send()
    downloads.wait_bytes(download, SOME)
    partial = downloads.abort(download)
    assert SOME <= partial["keptBytes"] <= BIG.size
    finish(downloads, partial["keptBytes"])


def test_after_many_aborts(downloads: Downloads) -> None:
    kept = 0
    downloads.hub.faults.clear()
    slow = downloads.hub.fault(TARGET, **SLOW, origin="cdn")
    for _ in range(4):
        slow.trickle_after = slow.sent + 1_500_000
        download = downloads.send()
        downloads.wait_bytes(download, kept + 500_000)
        before, kept = kept, downloads.abort(download)["keptBytes"]
        assert kept >= before
    finish(downloads, kept, interruptions=4)


def test_after_the_transfer_process_was_killed(downloads: Downloads) -> None:
    download = downloads.send()
    downloads.wait_bytes(download, SOME)
    kill(downloads.transfer())
    error = downloads.sidecar.response(download)["error"]
    assert error["data"]["kind"] == "transferCrashed" and error["data"]["retryable"]
    assert downloads.sidecar.call("ping") is not None
    finish(downloads, SOME)


def test_after_all_processes_were_killed(begin: Begin) -> None:
    first = begin()
    download = first.send()
    first.wait_bytes(download, SOME)
    for process in first.sidecar.family():
        kill(process)
    finish(begin(), SOME)


def test_after_the_app_ended(begin: Begin) -> None:
    """End of input: the program stops at once, and keeps what came."""
    first = begin()
    download = first.send()
    first.wait_bytes(download, SOME)
    first.sidecar.close_stdin()
    assert first.sidecar.wait_exit(WAIT_S) == 0
    assert not first.sidecar.survivors()
    finish(begin(), SOME)


def test_after_shutdown_it_is_answered_and_kept(begin: Begin) -> None:
    first = begin()
    download = first.send()
    first.wait_bytes(download, SOME)
    first.sidecar.call("shutdown")
    error = first.sidecar.response(download)["error"]
    assert error["data"]["kind"] in ("shuttingDown", "aborted")
    first.sidecar.wait_exit(WAIT_S)
    finish(begin(), SOME)


def test_a_request_by_another_name_of_the_same_file(downloads: Downloads, commit: str) -> None:
    download = downloads.send(f"hf:{REPO}")
    downloads.wait_bytes(download, SOME)
    kept = downloads.abort(download)["keptBytes"]
    downloads.hub.faults.clear()
    result = downloads.fetch(f"hf:{REPO}/{FILE}")
    assert result["resumedBytes"] >= kept
    assert_whole(result, BIG)


@pytest.mark.parametrize("size", [BIG.size, BIG.size + 1, SOME // 4])
def test_another_version_on_the_hub_starts_anew(downloads: Downloads, size: int) -> None:
    download = downloads.send()
    downloads.wait_bytes(download, SOME)
    downloads.abort(download)
    downloads.hub.settle()
    downloads.hub.faults.clear()
    other = Synthetic(size, seed=2)
    downloads.hub.add(REPO, {FILE: other})
    downloads.hub.requests.clear()
    result = downloads.fetch(SPEC)
    assert result["resumedBytes"] == 0
    assert_whole(result, other)
    assert Path(result["path"]).stat().st_size == size
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) >= size


def test_another_commit_with_the_same_file_goes_on(downloads: Downloads) -> None:
    download = downloads.send()
    downloads.wait_bytes(download, SOME)
    kept = downloads.abort(download)["keptBytes"]
    downloads.hub.add(REPO, {"README.md": b"a word more"})
    finish(downloads, kept)


@pytest.mark.parametrize("etag", ["strong", "weak", None])
def test_plain_addresses(downloads: Downloads, etag: str | None) -> None:
    """Without an ETag it may be another file: the download starts again."""
    url = downloads.hub.put(FILE, BIG, etag=etag)
    slow = downloads.hub.fault(f"files/{FILE}", **SLOW)
    download = downloads.send(url)
    downloads.wait_bytes(download, SOME)
    kept = downloads.abort(download)["keptBytes"]
    slow.times = 0
    result = downloads.fetch(url)
    assert result["sha256"] == BIG.sha256
    assert result["resumedBytes"] == 0 if etag is None else result["resumedBytes"] >= kept


def test_a_plain_address_with_another_etag_starts_anew(downloads: Downloads) -> None:
    url = downloads.hub.put(FILE, BIG)
    slow = downloads.hub.fault(f"files/{FILE}", **SLOW)
    download = downloads.send(url)
    downloads.wait_bytes(download, SOME)
    downloads.abort(download)
    slow.times = 0
    other = Synthetic(BIG.size, seed=3)
    assert downloads.hub.put(FILE, other) == url
    result = downloads.fetch(url)
    assert (result["resumedBytes"], result["sha256"]) == (0, other.sha256)


@pytest.mark.parametrize(("size", "moved"), [(SOME // 4, False), (BIG.size, False), (BIG.size, True)])
def test_a_plain_file_that_changes_in_the_middle(downloads: Downloads, size: int, moved: bool) -> None:
    """The size or the ETag shows it, also the ETag of another server to which the address redirects."""
    url = downloads.hub.put(FILE, BIG)
    if moved:
        url = f"{downloads.hub.endpoint}/moved/{FILE}"
    slow = downloads.hub.fault(f"files/{FILE}", **SLOW)
    other = Synthetic(size, seed=3)
    download = downloads.send(url)
    downloads.wait_bytes(download, SOME)
    downloads.hub.put(FILE, other)
    downloads.hub.faults.clear()
    slow.bytes_per_second = slow.trickle_after = None
    result = downloads.sidecar.result(download)
    assert sha256_of(result["path"]) == other.sha256
    assert result["sha256"] == other.sha256, "two versions were mixed"
    reported = [m["params"] for m in downloads.sidecar.messages if m.get("method") == "progress"]
    fractions = [
        p["progress"] for p in reported if (p["requestId"], p["progressType"]) == (download, "download")
    ]
    assert fractions == sorted(fractions) and fractions[-1] == 1


@pytest.mark.parametrize("wreck", ["empty", "noise", "half", "huge", "part gone", "part short"])
def test_a_damaged_journal_costs_only_bytes(downloads: Downloads, wreck: str) -> None:
    """A power failure can leave any bytes; the checksum at the end must be right."""
    download = downloads.send()
    downloads.wait_bytes(download, SOME)
    downloads.abort(download)
    journal = next(path for path in downloads.unfinished() if path.suffix == ".journal")
    part = journal.with_suffix(".part")
    said = journal.read_bytes()
    if wreck == "part gone":
        part.unlink()
    elif wreck == "part short":
        part.write_bytes(part.read_bytes()[:1000])
    else:
        wrecks = {"empty": b"", "noise": b"\0\xff" * 500, "half": said[: len(said) - 3]}
        journal.write_bytes(wrecks.get(wreck, said + b"0 99999999999\n"))
    downloads.hub.faults.clear()
    assert_whole(downloads.fetch(SPEC), BIG)
    assert [path.name for path in downloads.files()] == [FILE]
    assert not downloads.unfinished()


def test_after_a_reboot_only_synced_bytes_count(downloads: Downloads) -> None:
    """The system may have lost the rest. So few bytes were not synced at all."""
    download = downloads.send()
    downloads.wait_bytes(download, SOME)
    downloads.abort(download)
    journal = next(path for path in downloads.unfinished() if path.suffix == ".journal")
    header, rest = journal.read_bytes().split(b"\n", 1)
    earlier = {**json.loads(header), "boot": 1.0}
    part = journal.with_suffix(".part")
    part.write_bytes(bytes(part.stat().st_size))
    downloads.hub.faults.clear()
    journal.write_bytes(json.dumps(earlier).encode() + b"\n" + rest)
    before = len(downloads.infos())
    result = downloads.fetch(SPEC)
    assert result["resumedBytes"] == 0
    assert downloads.infos()[before:] == [], "the lost bytes were taken for good ones"
    assert_whole(result, BIG)


def test_keep_partial_false_leaves_nothing(downloads: Downloads) -> None:
    download = downloads.send(keepPartial=False)
    downloads.wait_bytes(download, SOME)
    assert downloads.abort(download)["keptBytes"] == 0
    assert not downloads.unfinished() and not downloads.files()
    downloads.hub.faults.clear()
    result = downloads.fetch(SPEC)
    assert result["resumedBytes"] == 0
    assert_whole(result, BIG)


def test_whole_files_of_a_split_model_stay(downloads: Downloads) -> None:
    names = [f"Model-Q2_K-0000{part}-of-00002.gguf" for part in (1, 2)]
    first, second = Synthetic(500_000, seed=21), Synthetic(6_000_000, seed=22)
    downloads.hub.add(REPO, {names[0]: first, names[1]: second})
    downloads.hub.fault(f"{REPO}/{names[1]}", **SLOW)
    download = downloads.send(f"hf:{REPO}:Q2_K", keepPartial=True)
    downloads.wait_bytes(download, first.size + 1_000_000)
    assert [path.name for path in downloads.files()] == [names[0]]
    kept = downloads.abort(download)["keptBytes"]
    assert first.size <= kept <= first.size + second.size
    downloads.hub.faults.clear()
    result = downloads.fetch(f"hf:{REPO}:Q2_K")
    assert [file["fromCache"] for file in result["files"]] == [True, False]
    assert result["files"][1]["resumedBytes"] == result["resumedBytes"] >= kept - first.size
    downloads.hub.settle()
    assert downloads.hub.sent(f"{REPO}/{names[0]}") == first.size
    assert Path(result["path"]).name == names[0]
