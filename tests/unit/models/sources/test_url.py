"""What a server says about a file, which may be anything."""

from __future__ import annotations

import httpx2
import pytest

from sidecar.models.sources import url


@pytest.mark.parametrize(
    ("total", "size"), [("1234", 1234), ("*", None), ("-1", None), ("9" * 5000, None), ("1e9", None)]
)
def test_a_size_that_is_none_is_unknown(total: str, size: int | None) -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(206, headers={"Content-Range": f"bytes 0-0/{total}", "ETag": '"a"'})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        wanted = url.wanted(client, "https://models.example/a.gguf", "a.gguf", None, silent_s=1)
    assert (wanted.size, wanted.etag) == (size, '"a"')
