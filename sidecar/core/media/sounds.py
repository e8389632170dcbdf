"""Reads the headers of sounds: how long they are, and whether the file is whole.

libmtmd decodes them (miniaudio). It takes memory for as many samples as a header says, and fills what is missing with
silence.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from sidecar.core.media.headers import DamagedError, TooLargeError, UnsupportedError

MAX_SECONDS: Final = 1800
"""Of a sound. libmtmd holds some 200 kB of each second while it decodes and encodes."""

MAX_PIECES: Final = 100_000
"""Chunks or frames of a file: half an hour of MP3 has 69,000."""

WAV_FORMS: Final = {1: "PCM", 3: "float", 6: "A-law", 7: "µ-law"}
WAV_EXTENSIBLE: Final = 0xFFFE
UNKNOWN_SIZE: Final = 0xFFFFFFFF
"""Of a WAV that was written into a pipe: its samples go on to the end of the file."""

MP3_KBPS: Final = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""MPEG version → the rates that the fields 1 to 14 stand for."""
MP3_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""The field `version` → samples per second."""
MAX_MP3_GAP: Final = 64 * 1024
"""Bytes before, between and after frames that are none."""

FLAC_BLOCKS: Final = {
    1: 192,
    **{n: 576 << n - 2 for n in range(2, 6)},
    **{n: 256 << n - 8 for n in range(8, 16)},
}
"""The field of a frame's header → its samples."""


def kind_of(data: bytes) -> str | None:
    """wav, mp3 or flac, by the first bytes; None if it is none of these."""
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return "wav"
    if data.startswith(b"fLaC"):
        return "flac"
    return "mp3" if data.startswith(b"ID3") or _mp3_frame(data, 0) else None


def seconds(data: bytes) -> float:
    """How long a sound of a known kind is, whose file is whole.

    Raises DamagedError, UnsupportedError, TooLargeError.
    """
    try:
        length = _READERS[str(kind_of(data))](data)
    except (struct.error, IndexError):
        raise DamagedError("is cut within its header") from None
    if length == 0:
        raise DamagedError("has no samples")
    if length > MAX_SECONDS:
        raise TooLargeError(round(length), MAX_SECONDS, "seconds")
    return length


# ---- WAV -----------------------------------------------------------------------------------------------


def _wav(data: bytes) -> float:
    at, rate, frame_bytes = 12, 0, 0
    for _ in range(MAX_PIECES):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"fmt ":
            rate, frame_bytes = _wav_format(data[at + 8 : at + 8 + size])
        if kind == b"data":
            break
        at += 8 + size + size % 2
    else:
        raise DamagedError("has no samples")
    if not frame_bytes:
        raise DamagedError("does not say how its samples are written")
    there = len(data) - at - 8
    if there < size != UNKNOWN_SIZE:
        raise DamagedError(f"is cut: {size} bytes of samples are promised, {there} are there")
    samples: int = min(there, size) // frame_bytes
    return samples / rate


def _wav_format(chunk: bytes) -> tuple[int, int]:
    """Samples per second, and bytes for one sample of all channels."""
    form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if form == WAV_EXTENSIBLE:
        (form,) = struct.unpack_from("<H", chunk, 24)
    if form not in WAV_FORMS:
        raise UnsupportedError(f"a WAV of the form {form}; {', '.join(WAV_FORMS.values())} are read")
    if rate == 0 or channels * bits < 8 or bits % 8:
        raise DamagedError(f"says that it has {rate} samples a second, {channels} channels and {bits} bits")
    return rate, channels * bits // 8


# ---- MP3 -----------------------------------------------------------------------------------------------


def _mp3(data: bytes) -> float:
    at, count, seconds, gap = _after_id3(data), 0, 0.0, 0
    promised: int | None = None
    while count < MAX_PIECES and gap < MAX_MP3_GAP:
        frame = _mp3_frame(data, at)
        if frame is None:
            found = data.find(b"\xff", at + 1)
            if found < 0:
                break
            at, gap = found, gap + found - at
            continue
        length, rate, frame_samples = frame
        if at + length > len(data):
            break
        if count == 0:
            promised = _promised_frames(data[at : at + length])
        at, count, seconds = at + length, count + 1, seconds + frame_samples / rate
    if count >= MAX_PIECES:
        raise TooLargeError(count, MAX_PIECES - 1, "frames")
    if gap >= MAX_MP3_GAP:  # libmtmd would read on behind it
        raise UnsupportedError(f"an MP3 with more than {MAX_MP3_GAP:,} bytes that are no sound")
    if promised is not None and promised > count:
        raise DamagedError(f"is cut: {promised} frames are promised, {count} are there")
    return seconds


def _after_id3(data: bytes) -> int:
    if not data.startswith(b"ID3"):
        return 0
    size = 0
    for digit in struct.unpack_from("4B", data, 6):
        size = size << 7 | digit & 0x7F
    return 10 + size + (10 if data[5] & 0x10 else 0)


def _mp3_frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Bytes, samples per second and samples of the frame that begins there; None if none does."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, field = data[at + 1] >> 3 & 3, data[at + 2] >> 4
    rates, third = MP3_RATES.get(version), data[at + 2] >> 2 & 3
    if rates is None or third == 3 or field in (0, 15):
        return None
    rate, samples = rates[third], 1152 if version == 3 else 576
    kbps = MP3_KBPS[1 if version == 3 else 2][field - 1]
    return samples // 8 * kbps * 1000 // rate + (data[at + 2] >> 1 & 1), rate, samples


def _promised_frames(frame: bytes) -> int | None:
    """How many frames follow, if the first one says that instead of sound."""
    at = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if at < 0 or not frame[at + 7] & 1:
        return None
    return int(struct.unpack_from(">I", frame, at + 8)[0])


# ---- FLAC ----------------------------------------------------------------------------------------------


def _flac(data: bytes) -> float:
    if data[4] & 0x7F:
        raise DamagedError("does not begin with its length")
    most_bytes = int.from_bytes(data[15:18], "big")
    fields = int.from_bytes(data[18:26], "big")
    rate, samples = fields >> 44, fields & (1 << 36) - 1
    if rate == 0:
        raise DamagedError("says that it has no samples a second")
    if samples == 0:
        raise UnsupportedError("a FLAC that does not say how long it is")
    block = int.from_bytes(data[10:12], "big")
    if samples / rate <= MAX_SECONDS and not _has_last_frame(data, samples, block, most_bytes):
        raise DamagedError(f"is cut: {samples} samples are promised, the last ones are missing")
    return samples / rate


def _has_last_frame(data: bytes, samples: int, block: int, most_bytes: int) -> bool:
    """Whether a frame that ends with the last sample is near the end of the file."""
    first = max(len(data) - 4 * most_bytes, 0) if most_bytes else 0
    at = len(data)
    for _ in range(MAX_PIECES):
        at = data.rfind(b"\xff", first, at)
        if at < 0:
            return False
        if data[at + 1 : at + 2] in (b"\xf8", b"\xf9") and _flac_end(data[at : at + 16], block) == samples:
            return True
    return False


def _flac_end(header: bytes, block: int) -> int | None:
    """The number of the first sample after a frame; None if this is no header of a frame."""
    if len(header) < 16:
        header = header.ljust(16, b"\0")
    lead = header[4]
    more = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()
    number = lead & (0x7F if more == 0 else 0x3F >> more)
    for byte in header[5 : 5 + more]:
        number = number << 6 | byte & 0x3F
    field, after = header[2] >> 4, 5 + more
    if field in (6, 7):
        own = int.from_bytes(header[after : after + field - 5], "big") + 1
    elif field in FLAC_BLOCKS:
        own = FLAC_BLOCKS[field]
    else:
        return None
    return (number if header[1] & 1 else number * block) + own


_READERS: Final[dict[str, Callable[[bytes], float]]] = {"wav": _wav, "mp3": _mp3, "flac": _flac}
