"""Reads the header of a GGUF file on a server, in ranges."""

from __future__ import annotations

import io
import time
from typing import Final

import httpx2

from sidecar.message_handler.errors import SidecarError
from sidecar.models.http.address import Address, NoRanges, Retry, unreachable

MAX_HEADER_BYTES: Final = 64 * 1024 * 1024
"""Maximum number of bytes that are read of one file. Headers with large vocabularies have tens of millions of bytes."""

MAX_TRIES: Final = 4
FIRST_PAUSE_S: Final = 0.25


class RangeFile(io.RawIOBase):
    """A file of `size` bytes on a server, with the methods that a header needs: `read`, and `seek` from the start."""

    def __init__(self, client: httpx2.Client, address: Address, size: int) -> None:
        self._client = client
        self._address = address
        self._size = size
        self._position = 0
        self.read_bytes = 0
        """Bytes that were fetched."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        self._position = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        """The next bytes, in one request. Raises SidecarError."""
        end = min(self._size, self._position + size) if size >= 0 else self._size
        if end <= self._position:
            return b""
        if self.read_bytes + end - self._position > MAX_HEADER_BYTES:
            raise SidecarError(
                "modelDamaged", f"Its header has more than {MAX_HEADER_BYTES} bytes", cause="size"
            )
        data = self._fetch(end)
        self._position += len(data)
        self.read_bytes += len(data)
        return data

    def _fetch(self, end: int) -> bytes:
        error: Exception = Retry("")
        for attempt in range(MAX_TRIES):
            if attempt:
                asked = error.after_s if isinstance(error, Retry) else None
                time.sleep(max(asked or 0.0, FIRST_PAUSE_S * 2 ** (attempt - 1)))
            try:
                with self._address.open(self._client, (self._position, end)) as answer:
                    data = _beginning(answer, end - self._position)
                if len(data) == end - self._position:
                    return data
                error = Retry(f"{len(data)} bytes came instead of {end - self._position}")
            except NoRanges:
                raise SidecarError("noRanges", "The server sends files only as a whole") from None
            except (Retry, httpx2.TransportError) as failure:
                error = failure
        if isinstance(error, httpx2.ConnectError):
            raise unreachable(error)
        raise SidecarError("downloadFailed", "The header could not be read", cause=str(error))


def _beginning(answer: httpx2.Response, count: int) -> bytes:
    """The first `count` bytes of a body, which may be longer."""
    data = bytearray()
    for chunk in answer.iter_raw():
        data += chunk
        if len(data) > count:
            break
    return bytes(data[:count])
