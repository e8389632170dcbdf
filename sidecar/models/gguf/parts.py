"""The files of one model: a whole one, or the parts of a split model.

What a file is, its header says (`split.no`, `split.count`); llama.cpp finds the other parts by their names. Files
are renamed, fetched alone, or joined byte by byte. So names and headers are compared, and an error says what differs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.header import Header
from sidecar.models.gguf.splits import part_paths

SPLIT_COUNT: Final = "split.count"
SPLIT_NUMBER: Final = "split.no"


def count(header: Header) -> int:
    """How many parts the model has."""
    return max(1, header.typed(SPLIT_COUNT, int) or 1)


def paths(path: str) -> list[str]:
    """The files that belong to the model at `path`, in order, whether they exist or not.

    Raises SidecarError as `reader.read_header` does, if the name is that of a part.
    """
    names = part_paths(path)
    return names if len(names) == 1 or count(reader.read_header(path)) > 1 else [path]


def check(path: str) -> None:
    """Raise the SidecarError that says what is wrong with a model's files; return if nothing is."""
    read_headers(path)


def read_headers(path: str) -> list[Header]:
    """The headers of all parts of a model.

    Raises SidecarError `modelIncomplete`, and those of `reader.read_header`.
    """
    first = read_first(path)
    if count(first) == 1:
        return [first]
    names = part_paths(path)
    if len(names) != count(first) or names[0] != path:
        needed = f"-00001-of-{count(first):05}.gguf"
        raise _incomplete(path, f"is part 1 of {count(first)}, but its name does not end in {needed!r}")
    missing = [os.path.basename(name) for name in names if not os.path.exists(name)]
    if missing:
        problem = f"is part 1 of {len(names)}, and beside it is no {', '.join(missing[:3])}"
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise _incomplete(path, problem + more, allowed=names)
    return [first, *_others(names)]


def read_present(path: str) -> list[Header]:
    """The same, but that of the first part alone while others are missing."""
    first, names = read_first(path), part_paths(path)
    is_whole = count(first) > 1 and len(names) == count(first) and all(map(os.path.exists, names))
    return [first, *_others(names)] if is_whole else [first]


def _others(names: list[str]) -> Iterator[Header]:
    """The headers of all parts but the first."""
    for number, name in enumerate(names[1:], 1):
        header = reader.read_header(name)
        if (header.typed(SPLIT_NUMBER, int), count(header)) != (number, len(names)):
            raise _incomplete(name, f"is not part {number + 1} of {len(names)}, as its name says")
        yield header


def read_first(path: str) -> Header:
    """The header of a file that must be a whole model, or the first part of one.

    Raises SidecarError `modelIncomplete`, and those of `reader.read_header`.
    """
    header = reader.read_header(path)
    parts, number = count(header), header.typed(SPLIT_NUMBER, int) or 0
    if parts == 1:
        return header
    if not 0 <= number < parts:
        why = f"it claims to be part {number + 1} of {parts}"
        raise SidecarError(
            "modelDamaged", f"/path: {path!r} is damaged: {why}", pointer="/path", value=path[:500], cause=why
        )
    names = part_paths(path)
    if number > 0:
        known = len(names) == parts and names[number] == path
        first = repr(names[0]) if known else "named …-00001-of-….gguf"
        raise _incomplete(path, f"is part {number + 1} of {parts}; the first is {first}", allowed=names[:1])
    complete = len(names) == parts and names[0] == path and all(map(os.path.exists, names))
    if not complete and _has_more(path, header):
        raise _incomplete(path, f"is {parts} parts of a split model, joined byte by byte")
    return header


def _has_more(path: str, header: Header) -> bool:
    """Whether another GGUF file begins where the tensors of this one end."""
    end = header.data_start + max((t.offset + (t.size or 0) for t in header.tensors), default=0)
    alignment = header.typed("general.alignment", int) or 32
    with open(path, "rb") as file:
        for start in (end, -(-end // alignment) * alignment):
            file.seek(start)
            if file.read(len(reader.MAGIC)) == reader.MAGIC:
                return True
    return False


def _incomplete(path: str, why: str, **details: object) -> SidecarError:
    problem = f"/path: {path!r} {why}"
    return SidecarError("modelIncomplete", problem, pointer="/path", value=path[:500], cause=why, **details)
