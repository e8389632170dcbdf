"""A batch of rows of pictures and sound. llama.cpp evaluates either tokens or rows in a step, never both."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from sidecar.core.context.context import Context
from sidecar.core.context.sequence import Sequence
from sidecar.core.llama.bindings import lib
from sidecar.core.media import media_id

if TYPE_CHECKING:
    from sidecar.core.media.projector import Chunk
    from sidecar.core.media.prompt_media import PromptMedia

POSITIONS: int = 4
"""Of a row with M-RoPE: time, height, width, and one that is not used."""


class RowBatch:
    """The next rows of a chunk, for one sequence. `next_rows` makes one."""

    def __init__(self, sequence: Sequence, tokens: list[int], chunk: Chunk, rows: bytearray) -> None:
        """`tokens`: of the request; the sequence holds the first of them. `rows`: all of the chunk that comes next."""
        self.sequence = sequence
        self.chunk = chunk
        done = len(sequence.tokens)
        self._tokens = len(tokens)
        self._done = done - media_id.begin_of(tokens, done)
        """How many of the rows the sequence holds."""
        self._rows = rows
        self.count = media_id.rows_of(chunk.id) - self._done
        """How many are in the batch: at first all that follow."""

    def limit(self, most: int) -> None:
        """Have at most this many rows in the batch, if they may be evaluated in several steps."""
        if self.chunk.causal:
            self.count = min(self.count, most)

    @property
    def ids(self) -> list[int]:
        """How they stand in a list of tokens."""
        return [self.chunk.id] * self.count

    @property
    def outputs(self) -> bool:
        """Whether the request's tokens end with these rows, so that the last one gets logits."""
        return len(self.sequence.tokens) + self.count == self._tokens

    @property
    def complete(self) -> bool:
        """Whether the chunk ends with these rows."""
        return self._done + self.count == media_id.rows_of(self.chunk.id)

    def take_back(self, context: Context) -> None:
        """Remove the chunk after a decode that was aborted: nothing says how many rows llama.cpp holds."""
        begin = len(self.sequence.tokens) - self._done
        self.sequence.add(self.ids)
        context.cut(self.sequence, begin)

    def decode(self, context: Context) -> int:
        """Evaluate them; returns what Context.decode returns."""
        own, count, outputs = context.batch, self.count, self.outputs
        row_bytes = len(self._rows) // media_id.rows_of(self.chunk.id)
        data = (ctypes.c_float * (count * row_bytes // 4)).from_buffer(self._rows, self._done * row_bytes)
        positions = self._positions()
        for index in range(count):
            own.n_seq_id[index] = 1
            own.seq_id[index][0] = self.sequence.index
            own.logits[index] = outputs and index == count - 1
        batch = lib.llama_batch(
            n_tokens=count,
            embd=ctypes.cast(data, ctypes.POINTER(ctypes.c_float)),
            pos=ctypes.cast(positions, ctypes.POINTER(ctypes.c_int32)),
            n_seq_id=own.n_seq_id,
            seq_id=own.seq_id,
            logits=own.logits,
        )
        if self.chunk.causal:
            return context.decode(batch)
        lib.llama_set_causal_attn(context.handle, False)
        try:
            return context.decode(batch)
        finally:
            lib.llama_set_causal_attn(context.handle, True)

    def _positions(self) -> ctypes.Array[ctypes.c_int32]:
        """All first positions of the rows, then all second ones, and so on."""
        held, rows = self.sequence.tokens, range(self._done, self._done + self.count)
        begin = len(held) - self._done
        first = begin - media_id.saved(held[:begin])
        if self.chunk.grid:
            places = [self.chunk.grid[row] for row in rows]
            every = [
                *(first for _ in rows),
                *(first + down for _, down in places),
                *(first + across for across, _ in places),
                *(0 for _ in rows),
            ]
        else:
            every = [first + row for row in rows] * POSITIONS  # without M-RoPE only the first ones are read
        return (ctypes.c_int32 * len(every))(*every)


def next_rows(sequence: Sequence, tokens: list[int], media: PromptMedia | None) -> RowBatch | None:
    """Rows of a picture or a sound, if they are the next of the tokens that the sequence lacks, and have come.

    Raises SidecarError if they could not be made.
    """
    done = len(sequence.tokens)
    if media is None or done >= len(tokens) or tokens[done] >= 0:
        return None
    chunk = media.chunks[tokens[done]]
    rows = media.rows(chunk)
    return None if rows is None else RowBatch(sequence, tokens, chunk, rows)
