"""Finds the picture or sound of a content part: bytes in base64, or a file. The network is never asked.

The first bytes say what it is, never a label. Its size is read from its header before anything is decoded.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.media import pictures, sounds
from sidecar.core.media.headers import DamagedError, TooLargeError, UnsupportedError
from sidecar.core.media.orientation import SIDEWAYS, UPRIGHT
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.message_handler._types import ContentPart

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of a file; as long as the longest line of a request."""

ACCEPTED: Final = {"image": ("PNG", "JPEG", "GIF", "BMP"), "audio": ("WAV", "MP3", "FLAC")}
"""What libmtmd decodes. WebP would need a library of its own; those for Python are larger than libmtmd itself."""

KINDS: Final = {"image": "image", "image_url": "image", "audio": "audio", "input_audio": "audio"}
"""Type of a content part → what it must have."""

NAMED: Final = (
    (8, b"WEBP", "WebP"), (8, b"AIFF", "AIFF"), (4, b"ftypavi", "AVIF"), (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif", "HEIC"), (4, b"ftyp", "MP4"), (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"),
    (0, b"OggS", "Ogg"), (0, b"<svg", "SVG"), (0, b"<?xml", "XML"), (0, b"%PDF", "PDF"),
    (0, b"\0\0\1\0", "ICO"), (0, b"\x1aE\xdf\xa3", "WebM"), (4, b"JXL ", "JPEG XL"), (0, b"\xff\x0a", "JPEG XL"),
)  # fmt: skip
"""Place, bytes and name of what is often sent and not read."""

DATA_URL: Final = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://|\\\\" + (r"|[\\/]{2}" if os.name == "nt" else ""))
"""How addresses of the network begin, and on Windows names of devices."""

MAX_SHOWN: Final = 200
"""Characters of a wrong value that an error repeats."""


class Media(NamedTuple):
    """A picture or a sound: the bytes of its file, and what its header says."""

    data: bytes
    kind: str
    """image, audio"""
    format: str
    """png, jpeg, gif, bmp, wav, mp3, flac"""
    sha256: str
    """Of the bytes."""
    width: int = 0
    """In pixels, as a person sees it; 0 for a sound."""
    height: int = 0
    seconds: float = 0.0
    """0 for a picture."""
    orientation: int = UPRIGHT
    """How its pixels are turned (EXIF)."""


def read_media(part: ContentPart, field: str, allowed_directories: Sequence[str] | None) -> Media:
    """The picture or sound of a content part. `field`: the JSON pointer of the part.

    `allowed_directories`: where files may lie; None: anywhere. Raises SidecarError `invalidParams`, `mediaNotAllowed`,
    `fileNotFound`, `fileNotReadable`, `mediaDamaged`, `mediaTooLarge`, `unsupportedContent`.
    """
    import hashlib  # brings OpenSSL: 3 MB that an engine seldom needs

    pointer, data = _bytes(part, field, allowed_directories)
    if not data:
        raise SidecarError("mediaDamaged", f"{pointer}: there are no bytes", pointer=pointer)
    picture = pictures.kind_of(data)
    sound = None if picture else sounds.kind_of(data)
    kind, form = ("image", picture) if picture else ("audio", sound)
    expected = KINDS[part["type"]]
    if form is None:
        raise _unsupported(pointer, _name(data), expected)
    if kind != expected:
        problem = f"{pointer}: a part of type {part['type']} cannot be a {form.upper()}"
        raise SidecarError(
            "unsupportedContent", problem, pointer=field, value=form, allowed=ACCEPTED[expected]
        )
    width, height, seconds, orientation = 0, 0, 0.0, UPRIGHT
    try:
        if picture:
            width, height = pictures.size(data)
            orientation = pictures.orientation(data)
            if orientation >= SIDEWAYS:
                width, height = height, width
        else:
            seconds = sounds.seconds(data)
    except DamagedError as error:
        problem = f"{pointer}: the {form.upper()} {error}"
        raise SidecarError("mediaDamaged", problem, pointer=pointer, cause=str(error)) from None
    except UnsupportedError as error:
        raise _unsupported(pointer, str(error), expected) from None
    except TooLargeError as error:
        raise _too_large(pointer, f"the {form.upper()} has {error}", error.value, error.most) from None
    sha256 = hashlib.sha256(data).hexdigest()
    return Media(data, kind, form, sha256, width, height, seconds, orientation)


def _name(data: bytes) -> str:
    named = (name for at, magic, name in NAMED if data.startswith(magic, at))
    return next(named, f"unknown (its first bytes are {data[:8].hex(' ')})")


def _unsupported(pointer: str, name: str, kind: str) -> SidecarError:
    accepted = ACCEPTED[kind]
    problem = f"{pointer}: this {kind} is {name}, which is not read. Accepted: {', '.join(accepted)}"
    return SidecarError("unsupportedContent", problem, pointer=pointer, value=name, allowed=accepted)


def _too_large(pointer: str, problem: str, value: float, most: float) -> SidecarError:
    allowed = {"maximum": most}
    return SidecarError(
        "mediaTooLarge", f"{pointer}: {problem}", pointer=pointer, value=value, allowed=allowed
    )


# ---- where the bytes are -------------------------------------------------------------------------------


def _bytes(part: ContentPart, field: str, allowed: Sequence[str] | None) -> tuple[str, bytes]:
    """The bytes, and the pointer of the member that they come from."""
    match part["type"]:
        case "image_url":
            pointer, text = f"{field}/imageUrl/url", part["imageUrl"]["url"]
            prefix = DATA_URL.match(text)
            if prefix is None:
                raise _no_data_url(pointer, text)
            return pointer, _decoded(pointer, text[prefix.end() :])
        case "input_audio":
            pointer = f"{field}/inputAudio/data"
            return pointer, _decoded(pointer, part["inputAudio"]["data"])
    source = part["source"]
    if "path" in source:
        return f"{field}/source/path", _file(f"{field}/source/path", source["path"], allowed)
    return f"{field}/source/data", _decoded(f"{field}/source/data", source["data"])


def _no_data_url(pointer: str, text: str) -> SidecarError:
    shown = text[:MAX_SHOWN]
    if ADDRESS.match(text):
        problem = f"{pointer}: nothing is fetched from the network"
        return SidecarError("mediaNotAllowed", problem, pointer=pointer, value=shown)
    problem = f"{pointer} must begin with data:…;base64,"
    return SidecarError("invalidParams", problem, pointer=pointer, value=shown, allowed="data:…;base64,…")


def _decoded(pointer: str, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        problem = f"{pointer} is not base64: {error}"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=text[:MAX_SHOWN]) from None


def _file(pointer: str, path: str, allowed: Sequence[str] | None) -> bytes:
    """The content of a regular file in an allowed directory. Links are followed first."""
    shown = path[:MAX_SHOWN]
    if ADDRESS.match(path):
        problem = f"{pointer}: {shown!r} is an address or a device; only files of this machine are read"
        raise SidecarError("mediaNotAllowed", problem, pointer=pointer, value=shown)
    try:
        real = os.path.realpath(path)
        if not _within(real, allowed):
            problem = f"{pointer}: {shown!r} lies outside the mediaDirectories of init"
            raise SidecarError(
                "mediaNotAllowed", problem, pointer=pointer, value=shown, allowed=list(allowed or ())
            )
        with open(real, "rb", opener=_open) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError("it is not a regular file")
            data = file.read(MAX_BYTES + 1) if status.st_size <= MAX_BYTES else b""
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no system has such a path
        problem = f"{pointer}: there is no file {shown!r}"
        raise SidecarError("fileNotFound", problem, pointer=pointer, value=shown) from None
    except OSError as error:
        problem = f"{pointer}: {shown!r} cannot be read: {error.strerror or error}"
        raise SidecarError("fileNotReadable", problem, pointer=pointer, value=shown) from None
    size = max(status.st_size, len(data))
    if size > MAX_BYTES:
        raise _too_large(
            pointer, f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read", size, MAX_BYTES
        )
    return data


def _open(path: str, flags: int) -> int:
    """Open without waiting, should it be a pipe, and without following a link that was made meanwhile."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))


def _within(path: str, directories: Sequence[str] | None) -> bool:
    """Whether a real path lies in one of the directories.

    Their identities are compared, not their names: names differ in case and in form, and still mean the same folder.
    """
    if directories is None:
        return True
    wanted = {identity for identity in map(_identity, directories) if identity is not None}
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        if _identity(path) in wanted:
            return True
    return False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
