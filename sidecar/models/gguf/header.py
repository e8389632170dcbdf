"""The header of a GGUF file as reader.py returns it: metadata and the tensor table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Number = int | float | bool
T = TypeVar("T", str, int, float)


class Tensor:
    """A row of the tensor table. `size` in bytes is None if the type is unknown; `offset` is from `data_start`."""

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
    """Metadata and tensor table. `data_start` is the file's offset of the tensors' bytes.

    `arrays` has arrays of numbers, most with one value per layer, of which `metadata` has only type and length.
    `read_bytes` is how many bytes of the file were read.
    """

    def __init__(
        self,
        version: int,
        metadata: dict[str, object],
        arrays: dict[str, list[Number]],
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
        return self.typed("general.architecture", str) or ""

    @property
    def vocabulary_size(self) -> int | None:
        """Tokens of the vocabulary, None if it has none."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, dict):  # a long array: see `arrays`
            return int(tokens["length"])
        return len(tokens) if isinstance(tokens, list) else None

    def typed(self, key: str, kind: type[T]) -> T | None:
        """A value of the metadata if it has the type that it should have. Files can contain anything."""
        value = self.metadata.get(key)
        return value if type(value) is kind else None


def join(headers: Sequence[Header]) -> Header:
    """The header of a split model, from the headers of all its parts in order."""
    first, tensors, end = headers[0], list[Tensor](), 0
    for header in headers:
        for each in header.tensors:
            moved = Tensor(each.name, each.shape, each.weights, each.type_name, end + each.offset, each.size)
            tensors.append(moved)
        end += max((tensor.offset + (tensor.size or 0) for tensor in header.tensors), default=0)
    read = sum(header.read_bytes for header in headers)
    return Header(first.version, first.metadata, first.arrays, tensors, first.data_start, read)
