"""The smallest library of Windows: one exported function of given machine code. No compiler is needed."""

from __future__ import annotations

import struct
from typing import Final

FILE: Final = 0x200
"""Where the only section begins in the file."""
SECTION: Final = 0x1000
"""Where it lies in memory. The table of exports comes first."""
CODE: Final = SECTION + 0x100
SIZE: Final = 0x1000

X86_64: Final = 0x8664
IS_A_LIBRARY: Final = 0x2022  # executable, with large addresses, a DLL
READ_AND_EXECUTE: Final = 0x60000020
MAY_BE_MOVED: Final = 0x0140  # its code does not depend on its address


def library(function: str, code: bytes) -> bytes:
    """The file's content. It has no entry point, imports nothing and exports `function`."""
    exports = _exports(function)
    content = (exports.ljust(CODE - SECTION, b"\0") + code).ljust(SIZE, b"\0")
    directories = struct.pack("<II", SECTION, len(exports)).ljust(16 * 8, b"\0")
    optional = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII",
        *(0x20B, 14, 0, SIZE, 0, 0, 0, SECTION),  # PE32+, the linker's version, sizes, no entry point
        *(0x180000000, 0x1000, 0x200),  # address, alignment in memory and in the file
        *(6, 0, 0, 0, 6, 0, 0),  # versions of Windows
        *(SECTION + SIZE, FILE, 0, 3, MAY_BE_MOVED),  # size of all and of the headers, no checksum, a console
        *(0x100000, 0x1000, 0x100000, 0x1000, 0, 16),
    )
    section = struct.pack("<8sIIIIIIHHI", b".text", SIZE, SECTION, SIZE, FILE, 0, 0, 0, 0, READ_AND_EXECUTE)
    size = len(optional) + len(directories)
    head = struct.pack("<4sHHIIIHH", b"PE\0\0", X86_64, 1, 0, 0, 0, size, IS_A_LIBRARY)
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    return (dos + head + optional + directories + section).ljust(FILE, b"\0") + content


def _exports(function: str) -> bytes:
    """The table of exports: one name, and the address of the code."""
    own_name, name = b"made.dll\0", function.encode() + b"\0"
    functions = SECTION + 40
    names, ordinals, texts = functions + 4, functions + 8, functions + 10
    table = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, texts, 1, 1, 1, functions, names, ordinals)
    lists = struct.pack("<IIH", CODE, texts + len(own_name), 0)
    return table + lists + own_name + name
