"""Copies of what a cache cannot take back: a recurrent state, or the cells of a sliding window.

Keys and values of a token are removed by their position. A recurrent state contains all tokens at once, and a window
forgets old tokens. Such a sequence goes back only to a place where its state was copied. llama.cpp copies only this
part (LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY); the rest of the cache is cut as usual.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import ContextPointer

PARTIAL_ONLY: Final = 1
"""LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY (llama.h)."""

DISTANCE: Final = 512
"""Tokens after which the next checkpoint is taken: as many as a step evaluates by default, so no step is cut."""

TAIL: Final = 16
"""Tokens at the end of a prompt that its own checkpoint leaves out. They are what a template writes before an
answer: a regenerated answer, and a next turn that drops the reasoning, begin there."""

SHORTEST_PROMPT: Final = 64
"""Shorter prompts get no checkpoint before their end: it takes a step of its own."""

MAX_CHECKPOINTS: Final = 16
"""Per sequence."""

MAX_BYTES: Final = 512 * 1024 * 1024
"""Of all checkpoints in a context. Less if little memory is free; see Context."""


class Checkpoint(NamedTuple):
    """The state of a sequence after its first `length` tokens, in llama.cpp's format."""

    length: int
    data: bytearray


def last_within(checkpoints: Sequence[Checkpoint], count: int) -> int:
    """Length of the last one with at most `count` tokens; 0 if there is none: the start needs no copy."""
    return max((each.length for each in checkpoints if each.length <= count), default=0)


class Checkpoints:
    """Those of one sequence, in the order of their lengths. At most MAX_CHECKPOINTS, and `max_bytes` in total."""

    def __init__(self) -> None:
        self.all: list[Checkpoint] = []
        self.kept = 0
        """Length of one that stays, whatever is dropped: the end of the system prompt."""
        self.tried = 0
        """Length at which one was last taken, or was too large."""

    def take(self, handle: ContextPointer, sequence: int, length: int, max_bytes: int) -> None:
        """Copy the state, which holds `length` tokens, unless it is larger than `max_bytes`."""
        if self.all and self.all[-1].length >= length:
            return
        self.tried = length
        size = lib.llama_state_seq_get_size_ext(handle, sequence, PARTIAL_ONLY)
        if not 0 < size <= max_bytes:
            return
        data = bytearray(size)
        room = (ctypes.c_uint8 * size).from_buffer(data)
        if lib.llama_state_seq_get_data_ext(handle, room, size, sequence, PARTIAL_ONLY) != size:
            return
        self.all.append(Checkpoint(length, data))
        while len(self.all) > MAX_CHECKPOINTS or sum(len(each.data) for each in self.all) > max_bytes:
            self._drop_one()

    def restore(self, handle: ContextPointer, sequence: int, count: int) -> int:
        """Go back to the last checkpoint with at most `count` tokens. Returns its length; 0: there is none."""
        self.drop_after(count)
        if not self.all:
            return 0
        length, data = self.all[-1]
        size = len(data)
        room = (ctypes.c_uint8 * size).from_buffer(data)
        read = lib.llama_state_seq_set_data_ext(handle, room, size, sequence, PARTIAL_ONLY)
        return length if read == size else 0

    def drop_after(self, count: int) -> None:
        """Forget those with more than `count` tokens."""
        self.all = [each for each in self.all if each.length <= count]
        self.tried = min(self.tried, count)

    def _drop_one(self) -> None:
        """Forget the one that is nearest to the one before it; not the last one or `kept`, if there are others."""
        lengths = [0, *(each.length for each in self.all)]
        gaps = [
            (after - before, place)
            for place, (before, after) in enumerate(pairwise(lengths[:-1]))
            if after != self.kept
        ]
        del self.all[min(gaps)[1] if gaps else 0]
