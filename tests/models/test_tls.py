"""Over https: whom the system or SSL_CERT_FILE trusts is asked, nobody else; also through a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from download_work import FILE, REPO, SPEC, TARGET, Begin, Downloads, assert_whole
from hub import AUTHORITY, Hub, Proxy, Synthetic

pytestmark = pytest.mark.process

BIG = Synthetic(6_000_000, seed=1)
TRUSTING = {"SSL_CERT_FILE": str(AUTHORITY)}


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub and a CDN that speak TLS, with one large file."""
    with Hub(tls=True) as served:
        served.add(REPO, {FILE: BIG})
        yield served


def refused(downloads: Downloads, model: str = SPEC, **params: str) -> None:
    """It is not fetched, and it is said why."""
    error = downloads.refused(model, **params)
    assert error["data"]["kind"] == "offline"
    assert "certificate" in error["message"] and "SSL_CERT_FILE" in error["message"]
    assert not list(downloads.hub.requests), "something was asked of a server that nobody vouches for"


def test_a_download(begin: Begin) -> None:
    downloads = begin(**TRUSTING)
    downloads.hub.fault(TARGET, bytes_per_second=2_000_000, times=None, origin="cdn")
    assert_whole(downloads.fetch(SPEC), BIG)
    downloads.hub.settle()
    assert downloads.hub.sent(TARGET) == BIG.size
    assert downloads.hub.at_once(TARGET) > 1


def test_a_plain_address(begin: Begin) -> None:
    downloads = begin(**TRUSTING)
    url = downloads.hub.put(FILE, BIG)
    assert url.startswith("https://")
    assert downloads.fetch(url)["sha256"] == BIG.sha256


def test_a_connection_that_breaks_and_stalls(begin: Begin) -> None:
    downloads = begin(**TRUSTING, HF_HUB_DOWNLOAD_TIMEOUT="1")
    for fault in ({"drop_after": 500_000}, {"cut_after": 300_000}, {"stall_after": 200_000}):
        downloads.hub.fault(TARGET, origin="cdn", **fault)
    assert_whole(downloads.fetch(SPEC), BIG)


def test_through_a_proxy_that_sees_nothing_of_it(begin: Begin) -> None:
    with Proxy() as proxy:
        downloads = begin(**TRUSTING, HTTPS_PROXY=proxy.url, https_proxy=proxy.url)
        assert_whole(downloads.fetch(SPEC, token=downloads.hub.token), BIG)
        passed = list(proxy.requests)
    assert {request.method for request in passed} == {"CONNECT"}
    assert {f"https://{request.path}" for request in passed} == {downloads.hub.endpoint, downloads.hub.cdn}
    assert not any(request.token for request in passed)


def test_a_server_whose_certificate_is_not_trusted(begin: Begin) -> None:
    downloads = begin()
    refused(downloads)
    refused(downloads, downloads.hub.put(FILE, BIG))


def test_a_certificate_for_another_name(begin: Begin) -> None:
    downloads = begin(**TRUSTING)
    refused(downloads, endpoint=downloads.hub.endpoint.replace("127.0.0.1", "localhost"))
