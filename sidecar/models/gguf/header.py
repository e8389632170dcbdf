"""What the header of a GGUF file says: metadata and the tensor table. gguf.py reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Tensor:
    """A row of the tensor table; `size` is None where the type is not known here."""

    __slots__ = ("name", "offset", "shape", "size", "type_name", "weights")

    def __init__(
        self, name: str, shape: tuple[int, ...], weights: int, type_name: str, offset: int, size: int | None
    ) -> None:
        self.name = name
        self.shape = shape
        self.weights = weights
        self.type_name = type_name
        self.offset = offset
        self.size = size


class Header:
    """What a GGUF file says of itself. `data_start` is where the tensors' bytes begin.

    `arrays` has the numbers of those arrays that `metadata` only tells the length of: one a layer, mostly.
    `read_bytes` is how much of the file was read to find all this out.
    """

    def __init__(
        self,
        version: int,
        metadata: dict[str, Any],
        arrays: dict[str, list[Any]],
        tensors: list[Tensor],
        data_start: int,
        read_bytes: int,
    ) -> None:
        self.version = version
        self.metadata = metadata
        self.arrays = arrays
        self.tensors = tensors
        self.data_start = data_start
        self.read_bytes = read_bytes

    @property
    def architecture(self) -> str:
        """`general.architecture`, or an empty string."""
        return self.known("general.architecture", str) or ""

    def known(self, key: str, kind: type) -> Any:
        """A value of the metadata if it is of the type that it should have; files can say anything."""
        value = self.metadata.get(key)
        return value if type(value) is kind else None


def join(headers: Sequence[Header]) -> Header:
    """The header of a split model, from those of all its parts in order."""
    first, tensors, end = headers[0], list[Tensor](), 0
    for header in headers:
        for each in header.tensors:
            moved = Tensor(each.name, each.shape, each.weights, each.type_name, end + each.offset, each.size)
            tensors.append(moved)
        end += max((tensor.offset + (tensor.size or 0) for tensor in header.tensors), default=0)
    read = sum(header.read_bytes for header in headers)
    return Header(first.version, first.metadata, first.arrays, tensors, first.data_start, read)
