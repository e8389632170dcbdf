"""A file to fetch, and what a fetch returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sidecar.models.download.journal import Identity
from sidecar.models.http.address import Address
from sidecar.models.store.store import Record

if TYPE_CHECKING:
    from sidecar.message_handler._types import ModelSource


@dataclass(slots=True)
class Wanted:
    """One file to fetch. `relative` is its path in the models directory, with `/` between names.

    `size` (bytes) and the two hashes are None where the server does not send them.
    """

    relative: str
    source: ModelSource
    size: int | None
    sha256: str | None
    etag: str | None
    address: Address

    @property
    def identity(self) -> Identity:
        return Identity(self.source["url"], self.size, self.sha256, self.etag)


class Fetched(NamedTuple):
    """A whole file in the models directory."""

    path: str
    record: Record
    resumed_bytes: int
    """Bytes that an earlier attempt has fetched."""
    from_cache: bool
    """Whether it was there before the request."""
