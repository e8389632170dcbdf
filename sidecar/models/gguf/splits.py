"""The files that one model is split into, as llama.cpp names them: `…-00001-of-00003.gguf`."""

from __future__ import annotations

import os
import re
from typing import Final

MAX_SPLITS: Final = 1000

_SPLIT: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


def part_names(path: str) -> list[str]:
    """All parts of the split model that a file is of, in order; of any other file itself."""
    match = _SPLIT.search(path)
    if match is None or not 0 < int(match[1]) <= int(match[2]) <= MAX_SPLITS:
        return [path]
    stem, suffix = path[: match.start()], path[-5:]
    return [f"{stem}-{part:05}-of-{match[2]}{suffix}" for part in range(1, int(match[2]) + 1)]


def part_paths(path: str) -> list[str]:
    """The same for a file on this disk."""
    folder, name = os.path.split(path)
    return [os.path.join(folder, part) for part in part_names(name)]
