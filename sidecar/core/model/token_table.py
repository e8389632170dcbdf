"""The vocabulary by the first byte of each token, and candidates as llama.cpp's samplers take them."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from typing import TypeAlias

    from sidecar.core.llama.c_api import FloatPointer, llama_token_data, llama_token_data_array

    Candidates: TypeAlias = ctypes.Array[llama_token_data]


class TokenTable:
    """The table of one model. Only the compute thread calls `all_candidates`."""

    def __init__(self, pieces: list[bytes], ends: list[int]) -> None:
        """`pieces`: the bytes of each token in a text, empty for control tokens. `ends`: tokens that end a text."""
        self.size = len(pieces)
        self.ends = ends
        self.groups: dict[int, list[int]] = {}
        """First byte → tokens that begin with it, without those that end a text."""
        self.singles: dict[int, int] = {}
        """Byte → the token of this single byte."""
        self.silent = {token for token, piece in enumerate(pieces) if not piece} - set(ends)
        """Control tokens. A grammar would accept them by their names, which are not in the text."""
        for token, piece in enumerate(pieces):
            if piece and token not in ends:
                self.groups.setdefault(piece[0], []).append(token)
                if len(piece) == 1:
                    self.singles[piece[0]] = token
        self._array: Candidates | None = None

    def all_candidates(self, logits: FloatPointer) -> Candidates:
        """Every token with its logit. The next call uses the same array again.

        A llama_token_data is three numbers of four bytes: id, logit, p.
        """
        if self._array is None:
            kind = lib.llama_token_data * self.size
            self._array, self._without_logits = kind(), kind()
            ids = memoryview(array("i", range(self.size)))
            memoryview(self._without_logits).cast("B").cast("i")[0::3] = ids
        ctypes.memmove(self._array, self._without_logits, ctypes.sizeof(self._array))
        values = (ctypes.c_float * self.size).from_address(ctypes.addressof(logits.contents))
        memoryview(self._array).cast("B").cast("f")[1::3] = memoryview(values).cast("B").cast("f")
        return self._array


def candidates(tokens: list[int], logit: Callable[[int], float]) -> Candidates:
    """Some tokens with their logits."""
    rows = ((token, logit(token), 0.0) for token in tokens)
    return (lib.llama_token_data * len(tokens))(*rows)  # type: ignore[misc]  # ctypes takes tuples for structs


def data_array(data: Candidates) -> llama_token_data_array:
    """The struct that samplers take. It points to `data`, which must live as long."""
    first = ctypes.cast(data, ctypes.POINTER(lib.llama_token_data))
    return lib.llama_token_data_array(first, len(data), -1, False)
