"""What the headers of pictures and sounds say, and which files are not whole."""

from __future__ import annotations

import struct
import zlib

import media_files
import pytest
from media_files import stripes, tone

from sidecar.core.media import pictures, sounds
from sidecar.core.media.headers import DamagedError, TooLargeError, UnsupportedError
from sidecar.message_handler.errors import SidecarError

ROWS = stripes(["red", "blue"], 37, 21)
PICTURES = {kind: getattr(media_files, kind)(ROWS) for kind in ("png", "jpeg", "gif", "bmp")}
LOW = tone(200, 0.6)
SOUNDS = {
    "wav": (media_files.wav(LOW), 0.6),
    "flac": (media_files.flac(LOW), 0.6),
    "mp3": (media_files.silent_mp3(30, promised=30), 31 * 1152 / 44100),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_the_size_of_a_picture(kind: str) -> None:
    data = PICTURES[kind]
    assert pictures.kind_of(data) == kind
    assert sounds.kind_of(data) is None
    assert pictures.size(data) == (37, 21)
    assert pictures.size(data + b"more") == (37, 21)


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_length_of_a_sound(kind: str) -> None:
    data, length = SOUNDS[kind]
    assert sounds.kind_of(data) == kind
    assert pictures.kind_of(data) is None
    assert sounds.seconds(data) == pytest.approx(length)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_cut_anywhere(kind: str) -> None:
    data = PICTURES[kind]
    end = len(data) - (1 if kind == "gif" else 0)  # a GIF's last byte says only that no picture follows
    for length in range(8, end, 7):
        with pytest.raises(DamagedError):
            pictures.size(data[:length])


@pytest.mark.parametrize(("kind", "last"), [("wav", 2), ("flac", 5000), ("mp3", 900)])
def test_a_sound_that_is_cut(kind: str, last: int) -> None:
    data, _ = SOUNDS[kind]
    for length in range(12, len(data) - last, 331):
        with pytest.raises(DamagedError):
            sounds.seconds(data[:length])


def test_a_changed_byte_of_a_png() -> None:
    data = bytearray(PICTURES["png"])
    for at in (23, 45, len(data) - 14):
        data[at] ^= 1
        with pytest.raises(DamagedError):
            pictures.size(bytes(data))
        data[at] ^= 1


def test_a_png_that_inflates_beyond_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FREE_BYTES", 0)
    whole = zlib.compress(b"".join(b"\0" + b"".join(map(bytes, row)) for row in ROWS))
    assert pictures.size(media_files.png_of(37, 21, whole)) == (37, 21)
    with pytest.raises(DamagedError, match="more data"):
        pictures.size(media_files.png_of(37, 21, zlib.compress(bytes(10**7))))


def test_bounds_of_a_picture() -> None:
    huge = PICTURES["jpeg"].replace(struct.pack(">HH", 21, 37), struct.pack(">HH", 65535, 65535))
    with pytest.raises(TooLargeError):
        pictures.size(huge)
    scan = PICTURES["jpeg"].index(b"\xff\xda")
    many = PICTURES["jpeg"][:-2] + PICTURES["jpeg"][scan : scan + 14] * pictures.MAX_SCANS + b"\xff\xd9"
    with pytest.raises(UnsupportedError):
        pictures.size(many)
    with pytest.raises(DamagedError):
        pictures.size(media_files.png_of(0, 5, b""))


def test_pieces_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIECES", 50)
    empty = struct.pack(">I", 0) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    many = {
        "png": PICTURES["png"][:33] + empty * 60,
        "jpeg": b"\xff\xd8" + b"\xff\xe0\0\2" * 60,
        "gif": PICTURES["gif"][: 13 + 3 * 128] + b"\x21\xfe\0" * 60,
    }
    for data in many.values():
        with pytest.raises(UnsupportedError):
            pictures.size(data)


def codes(values: list[int], bits: int, side: int = 40) -> bytes:
    """A GIF with these codes, whose width grows as stb_image expects it. `side`: its pixels."""
    clear, width, fresh, held, count, data = 1 << bits, bits + 1, True, 0, 0, bytearray()
    entries = clear + 2
    for value in values:
        held, count = held | value << count, count + width
        while count >= 8:
            data.append(held & 255)
            held, count = held >> 8, count - 8
        if value == clear:
            width, entries, fresh = bits + 1, clear + 2, True
            continue
        entries, fresh = entries + (not fresh), False
        width += entries % (1 << width) == 0 and entries < 4096
    blocks = b"".join(
        bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255)
    )
    size = struct.pack("<HH", side, side)
    head = b"GIF89a" + size + b"\xf0\0\0" + bytes(6) + b"\x2c" + bytes(4) + size + b"\0"
    return head + bytes([bits]) + blocks + b"\0;"


def test_codes_of_a_gif_end_with_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code may stand for 4,096 pixels, and a decoder follows each, also behind the last pixel."""
    monkeypatch.setattr(pictures, "FREE_GIF_BYTES", 300)
    chain = [4, 0, *range(6, 600)]  # each is one pixel longer than the one before
    assert pictures.size(codes(chain[:58], 2)) == (40, 40)
    with pytest.raises(DamagedError, match="more data than its pixels need"):
        pictures.size(codes(chain, 2))
    plain = [each for _ in range(400) for each in (4, 0, 1, 2, 3)]
    assert pictures.size(codes(plain, 2)) == (40, 40)  # 1,600 pixels
    with pytest.raises(DamagedError, match="more data than its pixels need"):
        pictures.size(codes(plain * 2, 2))
    with pytest.raises(DamagedError, match="more data than its pixels need"):
        pictures.size(codes([1, *[0] * 6000], 0))  # where stb_image's codes grow later than those of others
    pictures.size(codes([4, *[0] * 12_000], 2, 100))  # stb_image refuses it before it is full
    with pytest.raises(DamagedError, match="13 bits"):
        pictures.size(codes(plain, 13))
    monkeypatch.setattr(pictures, "MAX_GIF_BYTES", 300)
    with pytest.raises(TooLargeError):
        pictures.size(codes(plain, 2))


def test_nobody_waits_for_a_picture_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may take long asks again and again whether the request still runs."""

    def gone() -> None:
        raise SidecarError("aborted", "")

    for bound in ("FREE_BYTES", "FREE_GIF_BYTES"):
        monkeypatch.setattr(pictures, bound, 0)
    monkeypatch.setattr(pictures, "checkpoint", gone)
    for kind in ("png", "gif"):
        with pytest.raises(SidecarError):
            pictures.size(
                media_files.png_of(9, 9, zlib.compress(bytes(10**6))) if kind == "png" else PICTURES[kind]
            )


def test_forms_that_are_not_decoded() -> None:
    lossless = PICTURES["jpeg"].replace(b"\xff\xc0", b"\xff\xc3")
    compressed = bytearray(PICTURES["bmp"])
    compressed[30] = 1
    for data in (lossless, bytes(compressed)):
        with pytest.raises(UnsupportedError):
            pictures.size(data)
    wav = bytearray(SOUNDS["wav"][0])
    wav[20] = 2  # ADPCM
    unknown = bytearray(SOUNDS["flac"][0])
    unknown[22:26] = bytes(4)
    for sound in (bytes(wav), bytes(unknown)):
        with pytest.raises(UnsupportedError):
            sounds.seconds(sound)


def test_what_a_header_of_a_sound_promises() -> None:
    wav = bytearray(SOUNDS["wav"][0])
    wav[40:44] = b"\xff" * 4  # written into a pipe
    assert sounds.seconds(bytes(wav)) == pytest.approx(0.6)
    wav[24:28] = bytes(4)
    with pytest.raises(DamagedError):
        sounds.seconds(bytes(wav))
    flac = bytearray(SOUNDS["flac"][0])
    flac[21:26] = b"\xff" * 5
    with pytest.raises(TooLargeError):
        sounds.seconds(bytes(flac))
    with pytest.raises(DamagedError, match="promised"):
        sounds.seconds(media_files.silent_mp3(30, promised=2**31))
    with pytest.raises(DamagedError, match="no samples"):
        sounds.seconds(media_files.wav([]))


def test_an_mp3_with_tags_and_garbage() -> None:
    silence = media_files.silent_mp3(10)
    tagged = b"ID3\4\0\0\0\0\0\x05abcde" + silence + b"TAG".ljust(128, b"\0")
    assert sounds.kind_of(tagged) == "mp3"
    assert sounds.seconds(tagged) == sounds.seconds(silence) == pytest.approx(10 * 1152 / 44100)
    with pytest.raises(DamagedError):
        sounds.seconds(b"ID3\4\0\0\0\0\0\0" + b"x" * 1000)
