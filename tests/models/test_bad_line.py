"""downloadModel over networks and servers that fail in every way: it continues, and what it keeps is right."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from download_work import (
    BLOCK,
    CONNECTIONS,
    FILE,
    IN_FLIGHT,
    MOST_TWICE,
    REPO,
    SPEC,
    TARGET,
    Begin,
    Downloads,
    assert_whole,
)
from hub import Hub, Proxy, Synthetic
from hub.client import wait_until
from rpc_server import refusing

pytestmark = pytest.mark.process

BIG = Synthetic(6_000_000, seed=1)


@pytest.fixture(autouse=True)
def commit(hub: Hub) -> str:
    """The commit of a repository with one large file."""
    return hub.add(REPO, {FILE: BIG})


def fetch(downloads: Downloads, interruptions: int) -> None:
    """Fetch it; few bytes come twice."""
    assert_whole(downloads.fetch(SPEC), BIG)
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) <= BIG.size + interruptions * (BLOCK + IN_FLIGHT)
    assert not downloads.unfinished()


def assert_longer_and_longer_pauses(hub: Hub) -> None:
    """Before the second, third and fourth try: 0.25, 0.5 and 1 second, each ± a quarter of it."""
    starts = [body.started for body in hub.bodies(TARGET)[:4]]
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert all(pause >= least for pause, least in zip(pauses, (0.18, 0.37, 0.74), strict=True)), pauses


@pytest.mark.parametrize("speed", [250_000, 500_000, 1_000_000])
def test_several_ranges_at_once_where_each_connection_is_slow(downloads: Downloads, speed: int) -> None:
    slow = downloads.hub.fault(TARGET, bytes_per_second=speed / 8, times=None)
    download = downloads.send()
    wait_until(lambda: downloads.hub.at_once(TARGET) > 1)
    slow.bytes_per_second = speed  # two are so much faster than one that no pause of this machine hides it
    assert_whole(downloads.sidecar.result(download), BIG)
    assert not downloads.unfinished()
    downloads.hub.settle()
    assert 4 <= downloads.hub.at_once(TARGET) <= CONNECTIONS
    bodies = downloads.hub.bodies(TARGET)
    assert {body.status for body in bodies} == {206}
    starts = [body.first for body in bodies]
    assert len(starts) == len(set(starts)) and downloads.hub.sent(TARGET) == BIG.size


def test_a_connection_serves_one_piece_after_the_other(downloads: Downloads) -> None:
    large = Synthetic(12_000_000, seed=2)  # more pieces than there are connections
    downloads.hub.add(REPO, {FILE: large})
    downloads.hub.fault(TARGET, latency_s=0.02, times=None)
    assert_whole(downloads.fetch(SPEC), large)
    assert not downloads.unfinished()
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) == large.size
    assert len(downloads.hub.bodies(TARGET)) >= large.size // (1 << 20)
    assert downloads.hub.cdn_connections < len(downloads.hub.bodies(TARGET))


@pytest.mark.parametrize("kind", ["drop_after", "cut_after"])
def test_connections_that_break_again_and_again(downloads: Downloads, kind: str) -> None:
    """As long as bytes come, it never gives up."""
    fault = downloads.hub.fault(TARGET, origin="cdn", times=12, **{kind: 300_000})
    fetch(downloads, interruptions=12)
    assert fault.hits == 12


def test_connections_that_break_before_a_byte(downloads: Downloads) -> None:
    fault = downloads.hub.fault(TARGET, origin="cdn", times=3, drop_after=0)
    fetch(downloads, interruptions=3)
    assert fault.hits == 3
    assert_longer_and_longer_pauses(downloads.hub)


def test_connections_that_stall(begin: Begin) -> None:
    downloads = begin(HF_HUB_DOWNLOAD_TIMEOUT="1")
    fault = downloads.hub.fault(TARGET, origin="cdn", times=2, stall_after=200_000)
    fetch(downloads, interruptions=2)
    assert fault.hits == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_servers_that_fail(downloads: Downloads, status: int) -> None:
    on_cdn = downloads.hub.fault(TARGET, origin="cdn", status=status, times=2)
    on_hub = downloads.hub.fault(TARGET, origin="hub", status=status, times=1)
    asked = downloads.hub.fault(f"/api/models/{REPO}*", status=status, times=1)
    fetch(downloads, interruptions=0)
    assert (on_cdn.hits, on_hub.hits, asked.hits) == (2, 1, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_servers_of_plain_files_that_fail(downloads: Downloads, status: int) -> None:
    """Two of the first questions, two in the middle."""
    url = downloads.hub.put(FILE, BIG)
    downloads.hub.fault(f"files/{FILE}", status=status, times=2)
    fault = downloads.hub.fault(f"files/{FILE}", status=status, skip=3, times=2)
    assert downloads.fetch(url)["sha256"] == BIG.sha256
    assert fault.hits == 2


@pytest.mark.slow
def test_a_server_that_fails_for_good(downloads: Downloads) -> None:
    """After the first bytes, so that the error can say that they are kept."""
    downloads.hub.fault(TARGET, origin="cdn", times=1, cut_after=1_500_000)
    broken = downloads.hub.fault(TARGET, origin="cdn", status=500, skip=1, times=None)
    error = downloads.refused(SPEC)
    assert (error["code"], error["data"]["kind"], error["data"]["retryable"]) == (
        1057,
        "downloadFailed",
        True,
    )
    assert "500" in error["data"]["cause"]
    assert not downloads.files() and downloads.unfinished()
    broken.times = 0
    result = downloads.fetch(SPEC)
    assert_whole(result, BIG)
    assert result["resumedBytes"] >= 1_500_000 - MOST_TWICE


@pytest.mark.parametrize("on", ["cdn", "hub", "api"])
def test_too_many_requests_with_a_pause(downloads: Downloads, on: str) -> None:
    target = f"/api/models/{REPO}*" if on == "api" else TARGET
    downloads.hub.fault(target, origin="hub" if on == "api" else on, status=429, retry_after=1)
    fetch(downloads, interruptions=0)
    refused_at = next(r.started for r in downloads.hub.requests if r.status == 429)
    again = next(r.started for r in downloads.hub.requests if r.started > refused_at and r.status != 429)
    assert again - refused_at >= 1.0


def test_too_many_requests_without_a_pause(downloads: Downloads) -> None:
    fault = downloads.hub.fault(TARGET, origin="cdn", status=429, times=3)
    fetch(downloads, interruptions=0)
    assert fault.hits == 3
    assert_longer_and_longer_pauses(downloads.hub)


@pytest.mark.parametrize("on", ["cdn", "hub"])
def test_a_pause_in_the_hubs_own_header(downloads: Downloads, on: str) -> None:
    fault = downloads.hub.fault(TARGET, origin=on, status=429, reset_after=2)
    fetch(downloads, interruptions=0)
    refused_at = next(r.started for r in downloads.hub.requests if r.status == 429)
    again = next(r.started for r in downloads.hub.requests if r.started > refused_at)
    assert fault.hits == 1 and again - refused_at >= 2.0


def test_a_pause_until_a_date(downloads: Downloads) -> None:
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2))
    fault = downloads.hub.fault(TARGET, origin="cdn", status=429, retry_after=soon)
    fetch(downloads, interruptions=0)
    assert fault.hits == 1


@pytest.mark.parametrize("on", ["cdn", "api"])
def test_a_pause_too_long_to_wait_for(downloads: Downloads, on: str) -> None:
    target = f"/api/models/{REPO}*" if on == "api" else TARGET
    downloads.hub.fault(target, status=429, retry_after=3600, times=None)
    error = downloads.refused(SPEC)
    assert (error["code"], error["data"]["kind"], error["data"]["retryable"]) == (1056, "rateLimited", True)
    assert error["data"]["value"] == 3600


@pytest.mark.parametrize(
    "lie",
    [{"total_off_by": 1000}, {"start_off_by": 1}, {"length_off_by": 1000}, {"length_off_by": -1000}],
    ids=str,
)
def test_headers_that_lie(downloads: Downloads, lie: dict[str, int]) -> None:
    fault = downloads.hub.fault(TARGET, origin="cdn", method="GET", times=2, **lie)
    assert_whole(downloads.fetch(SPEC), BIG)
    assert fault.hits == 2


def test_a_link_that_expires_in_the_middle(downloads: Downloads) -> None:
    """Each connection has one piece at most, so more must be asked for."""
    large = Synthetic(24_000_000, seed=2)
    downloads.hub.add(REPO, {FILE: large})
    slow = downloads.hub.fault(TARGET, bytes_per_second=2_000_000, trickle_after=2_000_000, times=None)
    download = downloads.send()
    downloads.wait_bytes(download, 1_000_000)
    downloads.hub.expire_links()
    slow.trickle_after = None
    assert_whole(downloads.sidecar.result(download), large)
    statuses = [body.status for body in downloads.hub.bodies(TARGET)]
    assert 403 in statuses, "it had nothing to ask for any more"
    assert sum(r.target == TARGET and r.origin == "hub" for r in downloads.hub.requests) >= 2
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) == large.size


def test_links_that_are_good_once(downloads: Downloads) -> None:
    downloads.hub.link_uses = 1
    downloads.hub.fault(TARGET, origin="cdn", cut_after=500_000, times=3)
    fetch(downloads, interruptions=3)


@pytest.mark.slow
def test_links_that_are_never_good(downloads: Downloads) -> None:
    downloads.hub.link_lifetime_s = -1.0
    assert downloads.refused(SPEC)["data"]["kind"] == "downloadFailed"


def test_a_server_that_knows_no_ranges(downloads: Downloads) -> None:
    url = downloads.hub.put(FILE, BIG, ranges=False)
    result = downloads.fetch(url)
    assert result["sha256"] == BIG.sha256


def test_a_server_that_forgets_ranges_in_the_middle(downloads: Downloads) -> None:
    downloads.hub.fault(TARGET, origin="cdn", cut_after=700_000)
    downloads.hub.fault(TARGET, origin="cdn", skip=1, times=None, forget_ranges=True)
    assert_whole(downloads.fetch(SPEC), BIG)


def test_without_ranges_a_broken_connection_starts_at_the_front(downloads: Downloads) -> None:
    downloads.hub.fault(TARGET, origin="cdn", times=None, forget_ranges=True)
    downloads.hub.fault(TARGET, origin="cdn", drop_after=4_000_000, times=2)
    assert_whole(downloads.fetch(SPEC), BIG)


def test_through_a_proxy(begin: Begin) -> None:
    with Proxy() as proxy:
        downloads = begin(HTTP_PROXY=proxy.url, http_proxy=proxy.url)
        assert_whole(downloads.fetch(SPEC), BIG)
        passed = list(proxy.requests)
        assert any(request.path.startswith(downloads.hub.cdn) for request in passed)
        assert len(passed) == len(list(downloads.hub.requests))
        proxy.requests.clear()
        direct = begin(HTTP_PROXY=proxy.url, http_proxy=proxy.url, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
        assert direct.fetch(SPEC)["fromCache"]
        assert not list(proxy.requests)


def test_a_proxy_that_is_gone(begin: Begin) -> None:
    with refusing() as gone:
        url = f"http://{gone}"
        error = begin(HTTP_PROXY=url, http_proxy=url).refused(SPEC)
    assert error["data"]["kind"] == "offline"
    assert "proxy" in error["data"]["remedy"]


def test_a_wrong_byte_is_found_named_and_fetched_again(downloads: Downloads) -> None:
    downloads.hub.fault(TARGET, origin="cdn", corrupt_at=3_456_789)
    before = len(downloads.infos())
    assert_whole(downloads.fetch(SPEC), BIG)
    said = " ".join(downloads.infos()[before:])
    assert FILE in said and "3456789" in said


def test_bytes_that_are_always_wrong(downloads: Downloads) -> None:
    downloads.hub.fault(TARGET, origin="cdn", corrupt_at=3_456_789, times=None)
    error = downloads.refused(SPEC)
    assert (error["code"], error["data"]["kind"]) == (1058, "checksumMismatch")
    assert BIG.sha256 in str(error["data"])
    assert not downloads.files()
    downloads.hub.faults.clear()
    assert_whole(downloads.fetch(SPEC), BIG)
