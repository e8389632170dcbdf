"""The vocabulary by the first byte of each token, and room for a whole set of candidates."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable
from typing import Any

from sidecar.core.llama.bindings import lib


class TokenTable:
    """Of one model. Only the compute thread uses `candidates`."""

    def __init__(self, pieces: list[bytes], ends: list[int]) -> None:
        """`pieces` are the tokens' bytes in the text, none for those that write nothing."""
        self.size = len(pieces)
        self.ends = ends
        self.groups: dict[int, list[int]] = {}
        """First byte → the tokens that begin with it, but for those that end the text."""
        self.singles: dict[int, int] = {}
        """Byte → the token that is this byte and no more."""
        self.silent = {token for token, piece in enumerate(pieces) if not piece} - set(ends)
        """Control tokens: they would satisfy a grammar by their names, which nobody sees."""
        for token, piece in enumerate(pieces):
            if piece and token not in ends:
                self.groups.setdefault(piece[0], []).append(token)
                if len(piece) == 1:
                    self.singles[piece[0]] = token
        self._room: Any = None

    def all_candidates(self, logits: Any) -> Any:
        """Every token with its logit, as an array of llama_token_data that is used again by the next call.

        One holds three numbers of four bytes: id, logit, p.
        """
        if self._room is None:
            kind = lib.llama_token_data * self.size
            self._room, self._blank = kind(), kind()
            memoryview(self._blank).cast("B").cast("i")[0::3] = memoryview(array("i", range(self.size)))
        ctypes.memmove(self._room, self._blank, ctypes.sizeof(self._room))
        values = (ctypes.c_float * self.size).from_address(ctypes.addressof(logits.contents))
        memoryview(self._room).cast("B").cast("f")[1::3] = memoryview(values).cast("B").cast("f")
        return self._room


def candidates(tokens: list[int], logit: Callable[[int], float]) -> Any:
    """Some tokens as an array of llama_token_data."""
    rows = ((token, logit(token), 0.0) for token in tokens)
    return (lib.llama_token_data * len(tokens))(*rows)  # type: ignore[misc]  # ctypes takes tuples for structs


def data_array(data: Any) -> Any:
    """What samplers are applied to."""
    first = ctypes.cast(data, ctypes.POINTER(lib.llama_token_data))
    return lib.llama_token_data_array(first, len(data), -1, False)
