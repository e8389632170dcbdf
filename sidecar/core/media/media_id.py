"""Pictures and sound in a list of tokens: each row of a chunk is the chunk's id, a negative number.

So prefixes are compared, cut and copied as those of text. An id says whose rows they are (the file's hash and the
chunk's number in it), how many there are, and how many positions they take. With M-RoPE (Qwen-VL), all rows of a
picture begin at one position and take as many as its longer side has rows. Elsewhere each row takes one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TypeAlias

    Packed: TypeAlias = array[int] | list[int]

FIELD_BITS: Final = 32
FIELD: Final = (1 << FIELD_BITS) - 1


def make(sha256: str, number: int, rows: int, positions: int, flat: bool) -> int:
    """The id of a chunk. `number`: which chunk of the file it is; `flat`: all rows begin at one position."""
    value = (int(sha256, 16) << FIELD_BITS | number) << 1 | flat
    return -((value << FIELD_BITS | positions) << FIELD_BITS | rows)


def rows_of(chunk: int) -> int:
    """How many rows the chunk has."""
    return -chunk & FIELD


def positions_of(chunk: int) -> int:
    """How many positions they take."""
    return -chunk >> FIELD_BITS & FIELD


def is_flat(chunk: int) -> bool:
    """Whether all rows begin at the same position."""
    return bool(-chunk >> 2 * FIELD_BITS & 1)


def text_length(tokens: Sequence[int]) -> int:
    """How many tokens come before the first row."""
    return next((index for index, token in enumerate(tokens) if token < 0), len(tokens))


def begin_of(tokens: Sequence[int], index: int) -> int:
    """Where the chunk begins whose row is at this index."""
    chunk, begin = tokens[index], index
    while begin and tokens[begin - 1] == chunk:
        begin -= 1
    return begin + (index - begin) // rows_of(chunk) * rows_of(chunk)


def whole(tokens: Sequence[int], count: int) -> int:
    """The largest number up to `count` of first tokens that does not end within a chunk. All of them may."""
    if count >= len(tokens) or count <= 0 or tokens[count] >= 0:
        return count
    return begin_of(tokens, count)


def ends_within(tokens: Sequence[int]) -> bool:
    """Whether the last chunk has further rows."""
    if not tokens or tokens[-1] >= 0:
        return False
    return len(tokens) - begin_of(tokens, len(tokens) - 1) < rows_of(tokens[-1])


def saved(tokens: Sequence[int]) -> int:
    """How many positions less than tokens they take: that of the next token is `len(tokens) - saved(tokens)`.

    Within a flat chunk there is no such position; its rows up to there count as if each took one.
    """
    if min(tokens, default=0) >= 0:
        return 0
    total = index = 0
    while index < len(tokens):
        chunk = tokens[index]
        rows = rows_of(chunk) if chunk < 0 else 1
        if chunk < 0 and index + rows <= len(tokens):
            total += rows - positions_of(chunk)
        index += rows
    return total


def position(tokens: Sequence[int], index: int) -> int:
    """The position of the token at this index."""
    if index < len(tokens) and tokens[index] < 0 and is_flat(tokens[index]):
        index = begin_of(tokens, index)
    return index - saved(tokens[:index])


def held(tokens: Sequence[int], last: int) -> int:
    """How many of the tokens stand at positions up to `last`."""
    if min(tokens, default=0) >= 0:
        return min(last + 1, len(tokens))
    index = at = 0
    while index < len(tokens) and at <= last:
        chunk = tokens[index]
        if chunk < 0 and is_flat(chunk):
            index, at = min(index + rows_of(chunk), len(tokens)), at + positions_of(chunk)
        else:
            index, at = index + 1, at + 1
    return index


def packed(tokens: list[int]) -> Packed:
    """The tokens in 4 bytes each, if they are text only: an id does not fit into 4 bytes."""
    return array("i", tokens) if min(tokens, default=0) >= 0 else tokens
