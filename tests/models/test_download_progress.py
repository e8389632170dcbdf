"""The progress of downloadModel fits the schema, never falls and is limited in rate; abort works at any moment."""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from download_work import FILE, REPO, SPEC, TARGET, Begin, Downloads, assert_whole
from driver import Message
from hub import Fault, Hub, Synthetic
from hub.client import wait_until
from jsonschema import Draft7Validator

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
OPENRPC = json.loads((ROOT / "sidecar/message_handler/openrpc.json").read_text(encoding="utf-8"))

BIG = Synthetic(8_000_000, seed=1)
ABORT_BOUND_S = 10.0
"""The machine may be busy; what an abort must not wait for takes 20 s at least. The program's own figure is in
tests/bench."""


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a repository with one large file."""
    return hub.add(REPO, {FILE: BIG})


def slow(hub: Hub) -> Fault:
    """Serve the file at half a megabyte per second and connection."""
    return hub.fault(TARGET, bytes_per_second=500_000, times=None, origin="cdn")


def all_progress(downloads: Downloads, request_id: Any) -> list[Message]:
    """The params of all progress of a request; they must fit the schema."""
    components = {"components": OPENRPC["components"]}
    validator = Draft7Validator({"$ref": "#/components/schemas/Progress", **components})
    reported = [
        message["params"]
        for message in downloads.sidecar.messages
        if message.get("method") == "progress" and message["params"]["requestId"] == request_id
    ]
    assert reported and {params["progressType"] for params in reported} <= {"download", "verify"}
    for params in reported:
        assert [error.message for error in validator.iter_errors(params)] == []
    return reported


def of_type(reported: list[Message], kind: str) -> list[Message]:
    """Those of one type; they must never fall and must end at the total."""
    ours = [params for params in reported if params["progressType"] == kind]
    count = "downloadedBytes" if kind == "download" else "verifiedBytes"
    for name in (count, "progress", "fileIndex"):
        values = [params[name] for params in ours]
        assert values == sorted(values), f"{kind}: {name} falls"
    assert all(0 <= params[count] <= params["totalBytes"] for params in ours)
    return ours


def test_download_then_verify_to_the_end(downloads: Downloads) -> None:
    slow(downloads.hub)
    request = downloads.send()
    result = downloads.sidecar.result(request)
    reported = all_progress(downloads, request)
    download, verify = of_type(reported, "download"), of_type(reported, "verify")
    assert (download[-1]["downloadedBytes"], download[-1]["progress"]) == (BIG.size, 1)
    assert (verify[-1]["verifiedBytes"], verify[-1]["progress"]) == (BIG.size, 1)
    assert {params["totalBytes"] for params in reported} == {BIG.size}
    assert {params["file"] for params in reported} == {FILE}
    assert {(params["fileIndex"], params["fileCount"]) for params in reported} == {(1, 1)}
    assert len([p for p in download if 0 < p["progress"] < 1]) >= 3
    middle = [p for p in download if p["bytesPerSecond"] and p["progress"] < 1]
    assert middle and all(p["etaMs"] is not None and p["etaMs"] >= 0 for p in middle)
    assert_whole(result, BIG)


def test_at_most_ten_per_second(downloads: Downloads) -> None:
    slow(downloads.hub)
    began = time.monotonic()
    request = downloads.send()
    downloads.sidecar.result(request)
    took = time.monotonic() - began
    for kind in ("download", "verify"):
        # The last one is sent at any time.
        assert len(of_type(all_progress(downloads, request), kind)) <= 10 * took + 2


def test_it_does_not_fall_back_after_a_resume(downloads: Downloads) -> None:
    slower = slow(downloads.hub)
    slower.trickle_after = 3_500_000
    first = downloads.send()
    downloads.wait_bytes(first, 2_500_000)
    kept = downloads.abort(first)["keptBytes"]
    slower.trickle_after = None
    second = downloads.send()
    assert_whole(downloads.sidecar.result(second), BIG)
    before = of_type(all_progress(downloads, first), "download")[-1]["downloadedBytes"]
    after = of_type(all_progress(downloads, second), "download")[0]["downloadedBytes"]
    assert max(kept, before) <= after


def test_it_does_not_fall_while_bytes_come_again(downloads: Downloads) -> None:
    slow(downloads.hub)
    downloads.hub.fault(TARGET, origin="cdn", corrupt_at=5_000_000)
    request = downloads.send()
    assert_whole(downloads.sidecar.result(request), BIG)
    reported = all_progress(downloads, request)
    assert of_type(reported, "download") and of_type(reported, "verify")


def test_file_n_of_m(downloads: Downloads) -> None:
    names = [f"Model-Q2_K-0000{part}-of-00003.gguf" for part in (1, 2, 3)]
    parts = [Synthetic(600_000 + part, seed=part) for part in range(3)]
    downloads.hub.add(REPO, {**dict(zip(names, parts, strict=True)), "mmproj-F16.gguf": Synthetic(400_000)})
    request = downloads.send(f"hf:{REPO}:Q2_K", projector=True)
    result = downloads.sidecar.result(request)
    reported = all_progress(downloads, request)
    of_type(reported, "verify")
    download = of_type(reported, "download")
    steps = [key for key, _ in itertools.groupby((p["fileIndex"], p["file"]) for p in download)]
    assert set(steps) <= set(enumerate([*names, "mmproj-F16.gguf"], 1))
    assert steps[-1] == (4, "mmproj-F16.gguf")
    assert {p["totalBytes"] for p in reported} == {result["sizeBytes"]}
    assert {p["fileCount"] for p in reported} == {4}
    assert download[-1]["downloadedBytes"] == result["sizeBytes"]


def test_what_is_here_is_reported_as_done(downloads: Downloads) -> None:
    downloads.fetch(SPEC)
    request = downloads.send()
    assert downloads.sidecar.result(request)["fromCache"]
    assert of_type(all_progress(downloads, request), "download")[-1]["progress"] == 1


def test_without_ranges(downloads: Downloads) -> None:
    url = downloads.hub.put(FILE, BIG, ranges=False)
    request = downloads.send(url)
    assert downloads.sidecar.result(request)["sha256"] == BIG.sha256
    assert of_type(all_progress(downloads, request), "download")[-1]["downloadedBytes"] == BIG.size


def test_a_server_that_gives_no_length(downloads: Downloads) -> None:
    """The total is not known, so there is no fraction."""
    url = downloads.hub.put(FILE, BIG, ranges=False, length=False)
    downloads.hub.fault(f"files/{FILE}", bytes_per_second=8_000_000, times=None)
    request = downloads.send(url)
    assert downloads.sidecar.result(request)["sha256"] == BIG.sha256
    reported = [p for p in all_progress(downloads, request) if p["progressType"] == "download"]
    assert {(p["progress"], p["totalBytes"], p["etaMs"]) for p in reported} == {(None, None, None)}
    counts = [p["downloadedBytes"] for p in reported]
    assert counts == sorted(counts) and counts[-1] > 0


# ---- abort ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("after", [0, 500_000])
def test_abort_of_a_download_whose_server_has_stopped_sending(begin: Begin, after: int, keep: bool) -> None:
    downloads = begin(HF_HUB_DOWNLOAD_TIMEOUT="60")
    downloads.hub.fault(TARGET, origin="cdn", stall_after=after, times=None)
    request = downloads.send(keepPartial=keep)
    wait_until(lambda: any(body.sent >= after for body in downloads.hub.bodies(TARGET)))
    if after:
        downloads.wait_bytes(request, 1)
    assert_abort_is_quick(downloads, request, keep)


def test_abort_while_the_hub_does_not_answer(begin: Begin) -> None:
    downloads = begin(HF_HUB_ETAG_TIMEOUT="60")
    downloads.hub.fault("/api/models/*", latency_s=60, times=None)
    request = downloads.send()
    wait_until(lambda: any(r.target.startswith("/api/models") for r in downloads.hub.requests))
    assert_abort_is_quick(downloads, request, keep=True)


def test_abort_during_a_pause_that_the_server_asked_for(downloads: Downloads) -> None:
    downloads.hub.fault(TARGET, origin="cdn", status=429, retry_after=60, times=None)
    request = downloads.send()
    wait_until(lambda: any(r.status == 429 for r in downloads.hub.requests))
    assert_abort_is_quick(downloads, request, keep=True)


@pytest.mark.parametrize("keep", [True, False])
def test_abort_at_once(downloads: Downloads, keep: bool) -> None:
    for _ in range(3):
        assert_abort_is_quick(downloads, downloads.send(keepPartial=keep), keep)
    assert_whole(downloads.fetch(SPEC), BIG)


@pytest.mark.parametrize("keep", [True, False])
def test_abort_at_random_moments(downloads: Downloads, keep: bool) -> None:
    downloads.hub.fault(TARGET, bytes_per_second=50_000, times=None, origin="cdn")
    chance = random.Random(5)
    for _ in range(6):
        request = downloads.send(keepPartial=keep)
        time.sleep(chance.uniform(0.2, 1.2))
        assert_abort_is_quick(downloads, request, keep)
        wait_until(lambda: not downloads.transfers())
        assert keep or not downloads.unfinished()
    downloads.hub.faults.clear()
    assert_whole(downloads.fetch(SPEC), BIG)


def test_abort_of_one_that_waits_for_another(downloads: Downloads) -> None:
    slower = slow(downloads.hub)
    slower.trickle_after = 1_000_000
    first = downloads.send()
    downloads.wait_bytes(first, 500_000)
    second = downloads.send(keepPartial=False)
    downloads.wait_bytes(second, 500_000)
    assert_abort_is_quick(downloads, second, keep=True)
    slower.trickle_after = None
    assert_whole(downloads.sidecar.result(first), BIG)
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) == BIG.size, "the abort cost the other one its bytes"


def test_cancel_by_notification(downloads: Downloads) -> None:
    slow(downloads.hub).trickle_after = 1_000_000
    request = downloads.send()
    downloads.wait_bytes(request, 500_000)
    downloads.sidecar.notify("$/cancelRequest", {"id": request})
    error = downloads.sidecar.response(request)["error"]
    assert error["data"]["kind"] == "aborted" and error["data"]["partial"]["keptBytes"] > 0


def assert_abort_is_quick(downloads: Downloads, request: Any, keep: bool) -> None:
    """It is answered, its process ends, and the disk holds what the answer says."""
    began = time.monotonic()
    partial = downloads.abort(request)
    assert time.monotonic() - began < ABORT_BOUND_S
    assert partial["keptBytes"] >= 0
    if not keep:
        assert partial["keptBytes"] == 0
        assert not downloads.unfinished()
    assert not downloads.files()
    assert len(downloads.sidecar.responses(request)) == 1
