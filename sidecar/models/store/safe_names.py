"""File names that every system can store. Names come from servers and clients, so they are checked."""

from __future__ import annotations

import re
from typing import Final

MAX_PATH_CHARS: Final = 400
MAX_NAME_BYTES: Final = 200
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def is_safe(path: str) -> bool:
    """Whether a relative path with `/` stays in its folder and has valid names on every system."""
    return len(path) <= MAX_PATH_CHARS and all(_is_safe_name(name) for name in path.split("/"))


def _is_safe_name(name: str) -> bool:
    """Whether Windows, macOS and Linux all accept it as the name of a file."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return (
        0 < size <= MAX_NAME_BYTES
        and not any(ord(letter) < 32 or letter in '<>:"/\\|?*\x7f' for letter in name)
        and not name.endswith((".", " "))
        and not name.startswith(" ")
        and not _RESERVED.fullmatch(name)
    )
