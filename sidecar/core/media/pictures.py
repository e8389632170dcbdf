"""Reads the headers of pictures: their size, and whether the file is whole.

libmtmd decodes them (stb_image). It believes what a header says, fills what is missing with grey, and inflates without
an end. So all of this is checked before, with little more work than finding the header.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from sidecar.core.jobs import checkpoint
from sidecar.core.media.headers import DamagedError, TooLargeError, UnsupportedError
from sidecar.core.media.orientation import MARK, UPRIGHT, of_exif

MAX_PIXELS: Final = 50_000_000
"""Of a picture: those of the largest cameras of phones. 6 bytes of each are held, 9 of a photo that is turned."""

MAX_PIECES: Final = 300_000
"""Chunks, segments or blocks of a file: as many as the largest GIF has."""

MAX_SCANS: Final = 100
"""Passes over a whole JPEG; progressive ones have about ten. Each costs time, but only a few bytes."""

Size = tuple[int, int]
"""Width and height."""
Read = Callable[[bytes], Size]
Check = Callable[[bytes, Size], None]

PNG: Final = b"\x89PNG\r\n\x1a\n"
MOST_PNG_BYTES: Final = 8
"""Of a pixel: four channels of 16 bits."""
DEFLATE_RATIO: Final = 1032
"""Bytes that one byte of deflated data can become."""
FREE_BYTES: Final = 64 * 1024 * 1024
"""Inflated data up to this size is not measured: it can do no harm."""
PIECE_BYTES: Final = 64 * 1024

JPEG_SIZES: Final = (0xC0, 0xC1, 0xC2)
"""Markers of the size: baseline, extended, progressive."""
JPEG_OTHER_SIZES: Final = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
"""Those of lossless, hierarchical and arithmetic-coded ones."""
JPEG_SCAN: Final = 0xDA
JPEG_EXIF: Final = 0xE1

GIF_PICTURE, GIF_EXTENSION = 0x2C, 0x21
MAX_GIF_BYTES: Final = 4 * 1024 * 1024
"""Of its codes. Each may take stb_image as long as 4,096 pixels, also when the picture is full. So they are counted
first, which takes up to two seconds per megabyte."""
FREE_GIF_BYTES: Final = 64 * 1024
"""As many codes, or as many behind the last pixel, are not counted: they can do little harm."""
MAX_CODE_BITS: Final = 12
MAX_CODES: Final = 8192
"""That stb_image keeps; it refuses a picture with more."""

BMP_HEADERS: Final = (12, 40, 56, 108, 124)
BMP_PLAIN: Final = (0, 3)
"""Values of its field `compression` for pixels as they are."""


def kind_of(data: bytes) -> str | None:
    """png, jpeg, gif or bmp, by the first bytes; None if it is none of these."""
    return next((name for name, (magic, _, _) in _FORMATS.items() if data.startswith(magic)), None)


def size(data: bytes) -> Size:
    """Width and height of a picture of a known kind, whose file is whole.

    Raises DamagedError, UnsupportedError, TooLargeError.
    """
    _, read, check = _FORMATS[str(kind_of(data))]
    try:
        width, height = read(data)
    except (struct.error, IndexError):
        raise DamagedError("is cut within its header") from None
    if width == 0 or height == 0:
        raise DamagedError(f"says that it has {width} × {height} pixels")
    if width * height > MAX_PIXELS:
        raise TooLargeError(width * height, MAX_PIXELS, f"pixels ({width} × {height})")
    try:
        check(data, (width, height))
    except (struct.error, IndexError):
        raise DamagedError("is cut") from None
    return width, height


# ---- PNG -----------------------------------------------------------------------------------------------


def _png_size(data: bytes) -> Size:
    if data[12:16] != b"IHDR":
        raise DamagedError("does not begin with its size")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _check_png(data: bytes, size: Size) -> None:
    width, height = size
    pixels = [piece for kind, piece in _png_chunks(data) if kind == b"IDAT"]
    most = MOST_PNG_BYTES * width * height + 4 * (width + height) + PIECE_BYTES
    if DEFLATE_RATIO * sum(map(len, pixels)) > max(most, FREE_BYTES):
        _check_inflated(pixels, most)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each chunk. A changed byte is found by the chunk's checksum."""
    at, view = len(PNG), memoryview(data)
    for _ in range(MAX_PIECES):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = view[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(content, zlib.crc32(kind)) != checksum:
            raise DamagedError("has changed bytes: a checksum does not fit")
        yield kind, content
        if kind == b"IEND":
            return
        at += length + 12
    raise _too_many()


def _too_many() -> UnsupportedError:
    return UnsupportedError(f"a picture of more than {MAX_PIECES:,} pieces")


def _check_inflated(pieces: list[memoryview], most: int) -> None:
    inflater, count = zlib.decompressobj(), 0
    for piece in pieces:
        for begin in range(0, len(piece), PIECE_BYTES):
            rest = bytes(piece[begin : begin + PIECE_BYTES])
            while rest:
                checkpoint()
                try:
                    count += len(inflater.decompress(rest, PIECE_BYTES))
                except zlib.error as error:
                    raise DamagedError(f"cannot be inflated: {error}") from None
                rest = inflater.unconsumed_tail
                if count > most:
                    raise DamagedError("has more data than its pixels need")


# ---- JPEG ----------------------------------------------------------------------------------------------


def _jpeg_size(data: bytes) -> Size:
    for marker, begin in _jpeg_segments(data):
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, begin + 1)
            return width, height
        if marker in JPEG_OTHER_SIZES:
            raise UnsupportedError("a JPEG that is lossless, hierarchical or arithmetic-coded")
    raise DamagedError("says no size before its first pixels")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and begin of each segment up to the first pixels."""
    at = 2
    for _ in range(MAX_PIECES):
        at = data.find(b"\xff", at)
        if at < 0:
            return
        while data[at] == 0xFF:
            at += 1
        (length,) = struct.unpack_from(">H", data, at + 1)
        yield data[at], at + 3
        if data[at] == JPEG_SCAN:
            return
        at += 1 + max(length, 2)
    raise _too_many()


def orientation(data: bytes) -> int:
    """How to turn a picture of a known kind; 1: not at all. Only of a JPEG it is asked."""
    if kind_of(data) != "jpeg":
        return UPRIGHT
    for marker, begin in _jpeg_segments(data):
        if marker == JPEG_EXIF and data.startswith(MARK, begin):  # only the first counts: there may be many
            (length,) = struct.unpack_from(">H", data, begin - 2)
            return of_exif(data[begin : begin + max(length, 2) - 2])
    return UPRIGHT


def _check_jpeg(data: bytes, _: Size) -> None:
    begin = next((begin for marker, begin in _jpeg_segments(data) if marker == JPEG_SCAN), None)
    if begin is None or data.rfind(b"\xff\xd9", begin) < 0:
        raise DamagedError("is cut: it has no end")
    if data.count(b"\xff\xda", begin) >= MAX_SCANS:
        raise UnsupportedError(f"a JPEG of more than {MAX_SCANS} passes")


# ---- GIF -----------------------------------------------------------------------------------------------


def _gif_size(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _check_gif(data: bytes, size: Size) -> None:
    """Walk to the end of the first picture. What follows is not decoded."""
    at, left = 13 + _palette_bytes(data[10]), MAX_PIECES
    while data[at] == GIF_EXTENSION:
        at, left = _after_blocks(data, at + 2, left)
    if data[at] != GIF_PICTURE:
        raise DamagedError("has no picture")
    begin = at + 11 + _palette_bytes(data[at + 9])
    end, _ = _after_blocks(data, begin, left)
    if end - begin > MAX_GIF_BYTES:
        raise TooLargeError(end - begin, MAX_GIF_BYTES, "bytes of pixels")
    if end - begin > FREE_GIF_BYTES:
        _check_codes(data[begin:end], data[begin - 1], size[0] * size[1])


def _check_codes(blocks: bytes, bits: int, pixels: int) -> None:
    """Raise DamagedError if there are many codes (LZW) behind the one that fills the picture.

    Each code stands for as many pixels as the one before, and one more, when it is first used. `bits`: of a pixel.
    It follows stb_image step by step, also where that differs from other decoders.
    """
    if bits > MAX_CODE_BITS:
        raise DamagedError(f"says that its codes have {bits} bits")
    clear, mask = 1 << bits, (2 << bits) - 1
    held = count = before = at = 0
    lengths, width = [1] * clear + [0, 0], bits + 1
    while at < len(blocks):
        checkpoint()
        block = blocks[at + 1 : at + 1 + blocks[at]]
        at += 1 + blocks[at]
        for byte in block:
            held, count = held | byte << count, count + 8
            while count >= width:
                code, held, count = held & mask, held >> width, count - width
                if code == clear:
                    del lengths[clear + 2 :]
                    width, mask, before = bits + 1, (2 << bits) - 1, 0
                    continue
                if before:
                    lengths.append(before + 1)
                if code == clear + 1 or code >= len(lengths) or len(lengths) > MAX_CODES:
                    return
                before = lengths[code]
                pixels -= before
                if not len(lengths) & mask and len(lengths) < 1 << MAX_CODE_BITS:
                    width, mask = width + 1, 2 * mask + 1
        if pixels <= 0:
            if len(blocks) - at > FREE_GIF_BYTES:
                raise DamagedError("has more data than its pixels need")
            return


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int, left: int) -> tuple[int, int]:
    """Where the blocks from `at` on end, and how many of the pieces are left."""
    while data[at] and left > 0:
        at, left = at + 1 + data[at], left - 1
    if left <= 0:
        raise _too_many()
    return at + 1, left - 1


# ---- BMP -----------------------------------------------------------------------------------------------


def _bmp_size(data: bytes) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    if header not in BMP_HEADERS:
        raise UnsupportedError(f"a BMP with a header of {header} bytes")
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def _check_bmp(data: bytes, size: Size) -> None:
    width, height = size
    (first, header) = struct.unpack_from("<II", data, 10)
    (bits,) = struct.unpack_from("<H", data, 24 if header == 12 else 28)
    if header != 12 and struct.unpack_from("<I", data, 30)[0] not in BMP_PLAIN:
        raise UnsupportedError("a compressed BMP")
    needed = (width * bits + 31) // 32 * 4 * height
    if first + needed > len(data):
        raise DamagedError(f"is cut: its pixels need {needed} bytes")


_FORMATS: Final[dict[str, tuple[bytes | tuple[bytes, ...], Read, Check]]] = {
    "png": (PNG, _png_size, _check_png),
    "jpeg": (b"\xff\xd8\xff", _jpeg_size, _check_jpeg),
    "gif": ((b"GIF87a", b"GIF89a"), _gif_size, _check_gif),
    "bmp": (b"BM", _bmp_size, _check_bmp),
}
"""Name → how the file begins, what reads its size, what checks that it is whole."""
