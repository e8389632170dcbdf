"""Which versions of which libraries an ELF file asks for, read from its own tables."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

SECTION: Final = struct.Struct("<IIQQQQIIQQ")
NEEDED: Final = struct.Struct("<HHIII")  # Elf64_Verneed
VERSION: Final = struct.Struct("<IHHII")  # Elf64_Vernaux
GNU_VERNEED: Final = 0x6FFFFFFE
HEADER: Final = 64
LITTLE_64: Final = b"\x7fELF\x02\x01"


class Section(NamedTuple):
    """What these tables need of a section's header."""

    kind: int
    offset: int
    link: int
    entries: int


def needed_versions(file: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """("GLIBC", (2, 30)) and so on, for each version that it asks for; nothing if it is no ELF file of 64 bits."""
    content = file.read_bytes()
    if not content.startswith(LITTLE_64) or len(content) < HEADER:
        return
    sections = _sections(content)
    for section in sections:
        if section.kind == GNU_VERNEED:
            yield from _versions(content, section, sections[section.link].offset)


def _sections(content: bytes) -> list[Section]:
    (start,) = struct.unpack_from("<Q", content, 40)
    size, count = struct.unpack_from("<HH", content, 58)
    found = []
    for number in range(count):
        _, kind, _, _, offset, _, link, entries, _, _ = SECTION.unpack_from(content, start + number * size)
        found.append(Section(kind, offset, link, entries))
    return found


def _versions(content: bytes, section: Section, names: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    place = section.offset
    for _ in range(section.entries):
        _, count, _, first, following = NEEDED.unpack_from(content, place)
        inner = place + first
        for _ in range(count):
            _, _, _, name, after = VERSION.unpack_from(content, inner)
            text = content[names + name : content.index(b"\0", names + name)].decode()
            library, _, number = text.rpartition("_")
            if number.replace(".", "").isdigit():
                yield library, tuple(int(part) for part in number.split("."))
            inner += after
        place += following
