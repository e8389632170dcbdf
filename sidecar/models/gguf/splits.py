"""Names of model files. llama.cpp names the parts of a split model `…-00001-of-00003.gguf`.

The quantisation is a part of the name, by the convention of the hub: `….Q4_K_M.gguf`, `…-IQ2_XXS.gguf`,
`…-F16-00001-of-00003.gguf`, or of its folder's name: `Q8_0/….gguf`.
"""

from __future__ import annotations

import os
import re
from typing import Final

MAX_SPLITS: Final = 1000

_QUANTIZATION: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|FP16|FP32))"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_PART: Final = re.compile(r"(-\d{5}-of-\d{5})?\.gguf$", re.IGNORECASE)
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
    return name.endswith(".gguf") and not is_projector(name) and "imatrix" not in name


def is_projector(path: str) -> bool:
    """Whether the path (with `/`) names a projector."""
    name = path.rsplit("/", 1)[-1].lower()
    return name.endswith(".gguf") and "mmproj" in name


def quantization_of(path: str) -> str | None:
    """The quantisation in a file's path, in upper case; None if there is none."""
    found = _QUANTIZATION.findall(path)
    return found[-1].upper() if found else None


def words_of(path: str) -> list[str]:
    """The words of a path, without its quantisation and its place in a split model."""
    return words(_QUANTIZATION.sub("", _PART.sub("", path)))


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return re.findall(r"[a-z0-9]+", text.lower())
