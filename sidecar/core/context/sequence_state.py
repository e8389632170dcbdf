"""llama.cpp's copy of all that a sequence holds, in memory: out of the cache and back."""

from __future__ import annotations

import ctypes

from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence
from sidecar.core.llama.bindings import lib
from sidecar.core.model.adapters import Scales


def size(context: Context, sequence: Sequence) -> int:
    """Bytes of the copy, or a few more."""
    return lib.llama_state_seq_get_size(context.handle, sequence.index)


def copy_out(context: Context, sequence: Sequence) -> bytearray:
    """The copy; empty if llama.cpp makes none."""
    room = size(context, sequence)
    data = bytearray(room)
    buffer = (ctypes.c_uint8 * room).from_buffer(data)
    written = lib.llama_state_seq_get_data(context.handle, buffer, room, sequence.index)
    del buffer
    del data[max(0, written) :]
    return data


def copy_in(context: Context, sequence: Sequence, data: bytearray, tokens: list[int], scales: Scales) -> bool:
    """Replace what a sequence holds. Returns False, and leaves it empty, if llama.cpp refuses the copy."""
    context.clear_sequence(sequence)
    buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
    read = lib.llama_state_seq_set_data(context.handle, buffer, len(data), sequence.index)
    if read != len(data) or context.cached_length(sequence) != len(tokens):
        context.clear_sequence(sequence)
        return False
    sequence.tokens, sequence.scales = list(tokens), scales
    return True
