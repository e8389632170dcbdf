"""File names that every system can store. Names come from servers and clients, so they are checked."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_PATH_CHARS: Final = 400
MAX_NAME_BYTES: Final = 200
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³])\s*(\..*)?", re.IGNORECASE)
"""Windows' devices, which exist in every folder and with every extension."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of letters that nobody sees, or that turn a text around. Some systems ignore them in names."""


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
        and not any(letter in '<>:"/\\|?*' or unicodedata.category(letter) in _HIDDEN for letter in name)
        and not name.endswith((".", " "))
        and not name.startswith(" ")
        and not _RESERVED.fullmatch(name)
    )
