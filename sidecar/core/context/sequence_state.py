"""llama.cpp's copy of all that a sequence holds, in memory: out of the cache, back, or into another sequence.

Not with llama_memory_seq_cp: it only notes the copy, and the next decode makes it, over what was written meanwhile.
"""

from __future__ import annotations

import ctypes

from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence
from sidecar.core.llama.bindings import lib
from sidecar.core.media import media_id
from sidecar.core.model.adapters import Scales
from sidecar.hardware.machine import available_bytes


def size(context: Context, sequence: Sequence) -> int:
    """Bytes of the copy, or a few more."""
    return lib.llama_state_seq_get_size(context.handle, sequence.index)


def copy_out(context: Context, sequence: Sequence) -> bytearray:
    """The copy; empty if llama.cpp makes none, or if it would take more than half of the free memory.

    Also where it must be exact and is not: llama.cpp copies of a window what the next token sees, to other cells.
    """
    room = size(context, sequence)
    if room > available_bytes() // 2 or (context.piece and context.window):
        return bytearray()
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
    if read != len(data) or context.last_position(sequence) != media_id.position(tokens, len(tokens) - 1):
        context.clear_sequence(sequence)
        return False
    sequence.hold(list(tokens))
    sequence.scales = scales
    return True


def copy_prefix(context: Context, source: Sequence, target: Sequence, count: int) -> int:
    """Copy the first `count` tokens of a sequence into another one. Returns how many it has of them; 0: no copy."""
    data = copy_out(context, source)
    if data and copy_in(context, target, data, source.tokens, source.scales):
        target.checkpoints.all, target.aligned = list(source.checkpoints.all), source.aligned
    return context.keep_prefix(target, count) if data else 0
