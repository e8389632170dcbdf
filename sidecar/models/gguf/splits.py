"""Names of model files. llama.cpp names the parts of a split model `…-00001-of-00003.gguf`."""

from __future__ import annotations

import os
import re
from typing import Final

MAX_SPLITS: Final = 1000

_SPLIT: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


def part_names(path: str) -> list[str]:
    """The parts of the split model that the file belongs to, in order; otherwise only the file."""
    match = _SPLIT.search(path)
    if match is None or not 0 < int(match[1]) <= int(match[2]) <= MAX_SPLITS:
        return [path]
    stem, suffix = path[: match.start()], path[-5:]
    return [f"{stem}-{part:05}-of-{match[2]}{suffix}" for part in range(1, int(match[2]) + 1)]


def part_paths(path: str) -> list[str]:
    """The same for a path of this system."""
    folder, name = os.path.split(path)
    return [os.path.join(folder, part) for part in part_names(name)]


def is_model(path: str) -> bool:
    """Whether the path (with `/`) names a GGUF model, and not a projector or an importance matrix."""
    name = path.rsplit("/", 1)[-1].lower()
    return name.endswith(".gguf") and "mmproj" not in name and "imatrix" not in name
