"""How a photo was held: a camera writes the pixels as its sensor has them, and in EXIF how to turn them.

stb_image ignores that, so llama.cpp's own tools see such a photo on its side. Here the pixels are turned, as browsers
do and the programs that models were trained with.
"""

from __future__ import annotations

import struct
from typing import Final

UPRIGHT: Final = 1
SIDEWAYS: Final = 5
"""From this orientation on, width and height change places."""

MARK: Final = b"Exif\0\0"
TAG: Final = 0x0112
CHANNELS: Final = 3
FLIPS: Final = {
    2: (False, True), 3: (True, True), 4: (True, False),
    5: (False, False), 6: (False, True), 7: (True, True), 8: (True, False),
}  # fmt: skip
"""Orientation → whether the order of the lines changes, and whether the order within each."""


def of_exif(segment: bytes) -> int:
    """The orientation, 1 to 8, that a JPEG's segment with EXIF tells; 1 if it tells none."""
    tiff = segment[len(MARK) :]
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if (tag, kind) == (TAG, 3):
                return value if value in FLIPS else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def turned(pixels: bytes, width: int, height: int, orientation: int) -> bytearray:
    """The pixels, three bytes each, as a person sees them. Width and height are those of the file."""
    lines_flip, line_flips = FLIPS[orientation]
    sideways = orientation >= SIDEWAYS
    count, length = (width, height) if sideways else (height, width)
    stride = CHANNELS * width if sideways else CHANNELS
    step = -1 if line_flips else 1
    found = bytearray()
    for index in reversed(range(count)) if lines_flip else range(count):
        begin = CHANNELS * index * (1 if sideways else width)
        line = bytearray(CHANNELS * length)
        for channel in range(CHANNELS):
            line[channel::CHANNELS] = pixels[begin + channel : begin + length * stride : stride][::step]
        found += line
    return found
