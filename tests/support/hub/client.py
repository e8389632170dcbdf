"""A plain HTTP client, for the tests of the hub itself, and waiting."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from hub.hub import Hub

Answer = tuple[int, dict[str, str], bytes]


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """One request on a connection of its own; redirects are not followed."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        path = place.path + (f"?{place.query}" if place.query else "")
        connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items()})
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return response.status, received, response.read()
    finally:
        connection.close()


def read_until_it_ends(url: str) -> tuple[int, type[BaseException] | None]:
    """How many bytes of the body came, and the error that ended them, if any."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    came = 0
    try:
        connection.request("GET", f"{place.path}?{place.query}")
        response = connection.getresponse()
        while data := response.read1(65536):
            came += len(data)
        short = response.length is not None and response.length > 0
        return came, http.client.IncompleteRead if short else None
    except OSError as error:
        return came, type(error)
    finally:
        connection.close()


def hub_link(hub: Hub, target: str = "owner/repo/model.gguf") -> str:
    """A fresh link to a large file."""
    owner, name, path = target.split("/", 2)
    status, headers, _ = fetch(f"{hub.endpoint}/{owner}/{name}/resolve/main/{path}", "HEAD")
    assert status == 302
    return headers["location"]


def wait_until(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for something that happens on another thread or in another process."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
