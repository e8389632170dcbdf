"""Pictures and sounds, written byte by byte: what they show and say is known, and no library is needed."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "black": (0, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0), "cyan": (0, 255, 255),
    "red": (255, 0, 0), "purple": (255, 0, 255), "yellow": (255, 255, 0), "white": (255, 255, 255),
}  # fmt: skip
"""The corners of the RGB cube."""

RATE = 16000
"""Samples per second of the sounds."""


def stripes(colours: Sequence[str], width: int, height: int) -> list[list[Colour]]:
    """Rows of pixels: equal stripes from left to right."""
    row = [COLOURS[colours[x * len(colours) // width]] for x in range(width)]
    return [row] * height


# ---- pictures ------------------------------------------------------------------------------------------


def png(rows: list[list[Colour]]) -> bytes:
    """8 bits a channel, without filters."""
    lines = b"".join(b"\0" + b"".join(map(bytes, row)) for row in rows)
    return png_of(len(rows[0]), len(rows), zlib.compress(lines))


def png_of(width: int, height: int, deflated: bytes) -> bytes:
    """A PNG with any size and any data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", deflated) + chunk(b"IEND", b"")


def photo(data: bytes, orientation: int, order: str = ">") -> bytes:
    """A JPEG with the EXIF of a camera that was held this way (1 to 8). `order`: of the bytes of a number."""
    tag = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    exif = b"Exif\0\0" + head + struct.pack(f"{order}H", 1) + tag + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + data[2:]


def bmp(rows: list[list[Colour]]) -> bytes:
    """24 bits a pixel, the lowest row first."""
    width, height = len(rows[0]), len(rows)
    padding = bytes(-3 * width % 4)
    pixels = b"".join(b"".join(bytes(reversed(pixel)) for pixel in row) + padding for row in reversed(rows))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


def gif(rows: list[list[Colour]]) -> bytes:
    """Of our eight colours. Each code is a byte: the table of codes is cleared before it grows beyond."""
    palette = list(COLOURS.values())
    indices = [palette.index(pixel) for row in rows for pixel in row]
    codes = b"".join(b"\x80" + bytes(indices[at : at + 126]) for at in range(0, len(indices), 126)) + b"\x81"
    blocks = b"".join(
        bytes([len(codes[at : at + 255])]) + codes[at : at + 255] for at in range(0, len(codes), 255)
    )
    size = struct.pack("<HH", len(rows[0]), len(rows))
    table = b"".join(map(bytes, palette)).ljust(3 * 128, b"\0")
    place = b"\x2c" + bytes(4) + size + b"\0"
    return b"GIF89a" + size + b"\xf6\0\0" + table + place + b"\x07" + blocks + b"\0\x3b"


def jpeg(rows: list[list[Colour]]) -> bytes:
    """Blocks of 8 × 8 pixels, each with the colour of its first pixel: the codes for details are never used."""
    width, height = len(rows[0]), len(rows)
    bits, last = "", [0, 0, 0]
    for y in range(0, height, 8):
        for x in range(0, width, 8):
            for channel, value in enumerate(_ycc(rows[y][x])):
                bits += _difference(value - last[channel]) + "0"  # 0: no details
                last[channel] = value
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

    channels = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + b"\x08" * 64)
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + channels)
        + segment(0xC4, b"\0" + bytes([0, 0, 0, 10] + [0] * 12) + bytes(range(10)))
        + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
        + segment(0xDA, b"\3" + b"".join(bytes([number, 0]) for number in (1, 2, 3)) + b"\0\x3f\0")
        + data
        + b"\xff\xd9"
    )


def _ycc(pixel: Colour) -> tuple[int, int, int]:
    red, green, blue = pixel
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(bright - 128), round(0.564 * (blue - bright)), round(0.713 * (red - bright))


def _difference(value: int) -> str:
    """Its length in a code of four bits, then its bits; those of a negative number are inverted."""
    length = abs(value).bit_length()
    bits = value if value >= 0 else value + (1 << length) - 1
    return f"{length:04b}" + (f"{bits:0{length}b}" if length else "")


# ---- sounds --------------------------------------------------------------------------------------------


def tone(hertz: float, seconds: float) -> list[int]:
    """Samples of 16 bits."""
    return [round(12000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(round(seconds * RATE))]


def wav(samples: Sequence[int]) -> bytes:
    """One channel of 16 bits."""
    data = struct.pack(f"<{len(samples)}h", *samples)
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def flac(samples: Sequence[int], block: int = 4096) -> bytes:
    """One channel of 16 bits, uncompressed."""
    fields = RATE << 44 | 15 << 36 | len(samples)
    info = struct.pack(">HH", block, block) + bytes(6) + struct.pack(">Q", fields) + bytes(16)
    frames = [samples[at : at + block] for at in range(0, len(samples), block)]
    return b"fLaC" + b"\x80\0\0\x22" + info + b"".join(map(_flac_frame, range(len(frames)), frames))


def _flac_frame(number: int, samples: Sequence[int]) -> bytes:
    header = b"\xff\xf8\x75\x08" + chr(number).encode() + struct.pack(">H", len(samples) - 1)
    frame = header + bytes([_crc(header, 8, 0x07)]) + b"\x02" + struct.pack(f">{len(samples)}h", *samples)
    return frame + struct.pack(">H", _crc(frame, 16, 0x8005))


def _crc(data: bytes, width: int, polynomial: int) -> int:
    value, top = 0, 1 << width - 1
    for byte in data:
        value ^= byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & (top << 1) - 1
    return value


def silent_mp3(frames: int, promised: int | None = None) -> bytes:
    """Silence: 128 kbit/s, one channel, 44,100 samples a second. `promised`: what its first frame says."""
    silence = b"\xff\xfb\x90\xc0" + bytes(413)
    if promised is None:
        return silence * frames
    info = silence[:21] + b"Info" + struct.pack(">II", 1, promised)
    return info.ljust(417, b"\0") + silence * frames
