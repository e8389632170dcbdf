"""The faults of the hub, its records and the proxy do what the other tests rely on."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from hub import Hub, Proxy, Request, Synthetic
from hub.client import fetch, hub_link, read_until_it_ends, wait_until

BIG = Synthetic(3_000_000, seed=1)
TARGET = "owner/repo/model.gguf"

# Wine 8's closesocket shuts a connection down in order first, whatever SO_LINGER says.
RESET = (ConnectionResetError, *([http.client.IncompleteRead] if sys.platform == "win32" else []))


@pytest.fixture
def commit(hub: Hub) -> str:
    """The commit of a repository with a large and two small files."""
    return hub.add("owner/repo", {"README.md": b"hello", "model.gguf": BIG, "sub/deep/note.txt": b"note"})


def test_drop_and_cut_as_often_as_ordered(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    hub.fault(TARGET, drop_after=1_000_000)
    came, error = read_until_it_ends(url)
    assert came <= 1_000_000 and error in RESET
    hub.fault(TARGET, cut_after=500_000)
    assert read_until_it_ends(url) == (500_000, http.client.IncompleteRead)
    assert read_until_it_ends(url) == (BIG.size, None)
    hub.settle()
    assert [request.sent for request in hub.bodies(TARGET)] == [1_000_000, 500_000, BIG.size]
    assert hub.sent(TARGET) == 1_500_000 + BIG.size


def test_faults_of_a_body_do_not_hit_bodies_that_are_too_short(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    fault = hub.fault(TARGET, cut_after=1000)
    assert len(fetch(url, Range="bytes=0-99")[2]) == 100 and fault.hits == 0
    assert read_until_it_ends(url)[0] == 1000 and fault.hits == 1


def test_stall_keeps_the_connection_open(hub: Hub, commit: str) -> None:
    place = urlsplit(hub_link(hub))
    hub.fault(TARGET, stall_after=100_000, times=None)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.request("GET", f"{place.path}?{place.query}")
    reading, response = connection.sock, connection.getresponse()
    assert len(response.read(100_000)) == 100_000
    reading.settimeout(0.3)
    with pytest.raises(TimeoutError):
        response.read(1)
    (request,) = hub.bodies(TARGET)
    wait_until(lambda: request.sent == 100_000)
    assert request.ended is None
    response.close()
    connection.close()
    wait_until(lambda: request.ended is not None)


def test_stalled_connections_do_not_hold_up_the_end() -> None:
    with Hub() as hub:
        hub.add("owner/repo", {"model.gguf": BIG})
        hub.fault(TARGET, stall_after=0)
        url = hub_link(hub)
        thread = threading.Thread(target=read_until_it_ends, args=(url,))
        thread.start()
        wait_until(lambda: bool(hub.bodies(TARGET)))
    thread.join(10)
    assert not thread.is_alive()


def test_corrupt_hits_the_request_that_gets_the_byte(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    hub.fault(TARGET, corrupt_at=1_500_000)
    assert fetch(url, Range="bytes=0-9")[2] == BIG.bytes()[:10]
    wrong = fetch(url)[2]
    assert [i for i, (a, b) in enumerate(zip(wrong, BIG.bytes(), strict=True)) if a != b] == [1_500_000]
    assert fetch(url)[2] == BIG.bytes()


def test_slow_and_late(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    hub.fault(TARGET, bytes_per_second=1_000_000)
    began = time.monotonic()
    fetch(url, Range="bytes=0-499999")
    assert time.monotonic() - began >= 0.45
    hub.fault(TARGET, latency_s=0.3)
    began = time.monotonic()
    fetch(url, "HEAD")
    assert time.monotonic() - began >= 0.3


def test_statuses(hub: Hub, commit: str) -> None:
    hub.fault("/api/models/owner/repo", status=429, retry_after=7, reset_after=9)
    hub.fault("/api/models/owner/repo", status=503, skip=1)
    status, headers, _ = fetch(f"{hub.endpoint}/api/models/owner/repo")
    assert (status, headers["retry-after"], headers["ratelimit"]) == (429, "7", '"api";r=0;t=9')
    assert [fetch(f"{hub.endpoint}/api/models/owner/repo")[0] for _ in range(2)] == [503, 200]


def test_lies(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    hub.fault(TARGET, total_off_by=5)
    assert fetch(url, Range="bytes=0-9")[1]["content-range"] == "bytes 0-9/3000005"
    hub.fault(TARGET, start_off_by=1)
    assert fetch(url, Range="bytes=0-9")[1]["content-range"] == "bytes 1-10/3000000"
    hub.fault(TARGET, length_off_by=5)
    assert read_until_it_ends(url) == (BIG.size, http.client.IncompleteRead)
    hub.fault(TARGET, forget_ranges=True)
    assert fetch(url, Range="bytes=0-9")[0] == 200
    hub.fault(TARGET, etag='"other"')
    assert fetch(url, "HEAD")[1]["etag"] == '"other"'
    assert fetch(url, Range="bytes=0-9")[0] == 206


# ---- records and the proxy -----------------------------------------------------------------------


def test_records_what_was_asked(hub: Hub, commit: str) -> None:
    fetch(f"{hub.endpoint}/owner/repo/resolve/main/model.gguf", Authorization=f"Bearer {hub.token}")
    fetch(hub_link(hub), Range="bytes=0-9")
    hub.settle()
    first, _, last = hub.requests
    assert isinstance(first, Request) and (first.target, first.token, first.status) == (
        TARGET,
        hub.token,
        302,
    )
    assert (last.origin, last.target, last.range, last.first) == ("cdn", TARGET, "bytes=0-9", 0)
    assert last.sent == last.promised == 10
    assert hub.tokens_sent_to("hub") == {f"Bearer {hub.token}"} and not hub.tokens_sent_to("cdn")


def test_counts_requests_at_once(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    hub.fault(TARGET, stall_after=0, times=3)
    threads = [threading.Thread(target=read_until_it_ends, args=(url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(hub.bodies(TARGET)) == 3)
    assert hub.at_once(TARGET) == 3
    hub.close()
    for thread in threads:
        thread.join(10)


def test_proxy(hub: Hub, commit: str) -> None:
    url = hub_link(hub)
    with Proxy() as proxy:
        place = urlsplit(proxy.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        connection.request("GET", url, headers={"Range": "bytes=0-9"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (206, BIG.bytes()[:10])
        connection.close()

        target = urlsplit(url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        connection.set_tunnel(target.hostname or "", target.port)
        connection.request("GET", f"{target.path}?{target.query}")
        response = connection.getresponse()
        assert response.read() == BIG.bytes()
        connection.close()
        assert [request.method for request in proxy.requests] == ["GET", "CONNECT"]
