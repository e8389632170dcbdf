"""Projectors: files beside a model with which it sees pictures or hears sound.

Their names have `mmproj`, by the convention of the hub: `mmproj-F16.gguf`, `mmproj-model-f16.gguf`,
`Qwen2.5-VL-7B-Instruct-mmproj-Q8_0.gguf`. A name that has words of a model belongs to that model only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence, Set
from typing import Final, NamedTuple

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.header import Header
from sidecar.models.gguf.splits import is_model, is_projector, quantization_of, words_of

ARCHITECTURE: Final = "clip"
"""`general.architecture` of projectors."""

ENCODERS: Final = {"image": "clip.has_vision_encoder", "audio": "clip.has_audio_encoder"}
"""What a model takes with a projector → the key of its header."""

COMMON_WORDS: Final = frozenset(("clip", "encoder", "ggml", "mmproj", "model", "projector", "vision"))
"""Words in names of projectors that say nothing about the model."""

FULL: Final = ("F16", "FP16")
"""The quantisation that llama.cpp's own tools prefer. Q8_0 saves little, BF16 is slow on most processors."""

MAX_NAMES: Final = 10_000
"""Files of a folder among which a projector is searched."""

Kind = frozenset[str]


def modalities(header: Header | None) -> list[str]:
    """What a model takes, with the projector that has this header: text, image, audio."""
    if header is None or header.architecture != ARCHITECTURE:
        return ["text"]
    return ["text", *(kind for kind, key in ENCODERS.items() if header.metadata.get(key) is True)]


def best(model: str, names: Sequence[str], kinds: Set[Kind] = frozenset()) -> str | None:
    """The projector whose name fits a model's best; None if none does. `kinds`: those of the models that lie beside it.

    A name without words of its own fits any model, but not where models of several kinds lie together.
    """
    known = kind_of(model)
    fitting: list[tuple[int, bool, str]] = []
    for name in names:
        own = kind_of(name)
        if own <= known if own else kinds <= {known}:
            fitting.append((len(own), quantization_of(name) in FULL, name))
    most = max((rank[:2] for rank in fitting), default=None)
    return next((name for *rank, name in fitting if tuple(rank) == most), None)


def kind_of(path: str) -> Kind:
    """The words by which the names of a model and of its projector differ from those of others."""
    return frozenset(words_of(path.rsplit("/", 1)[-1])) - COMMON_WORDS


class Folder(NamedTuple):
    """What a folder has."""

    projectors: list[str]
    kinds: Set[Kind]
    """Of its models."""


def look_into(folder: str) -> Folder:
    """What a folder has; nothing if it cannot be read."""
    names = list[str]()
    try:
        with os.scandir(folder or ".") as entries:
            names += (entry.name for entry, _ in zip(entries, range(MAX_NAMES), strict=False))
    except OSError:
        pass
    found = sorted(filter(is_projector, names))
    return Folder(found, {kind_of(name) for name in names if is_model(name)} if found else frozenset())


def beside(path: str, look: Callable[[str], Folder] = look_into) -> str | None:
    """The projector that lies beside a model, or above it if its folder has the name of a quantisation.

    Its header is read, so that no other file is taken for one. None: there is none, or it cannot be read.
    """
    folder, model = os.path.split(path)
    above = [os.path.dirname(folder)] if quantization_of(os.path.basename(folder)) else []
    for each in (folder, *above):
        names, kinds = look(each)
        found = best(model, names, kinds)
        if found is not None and read(os.path.join(each, found)) is not None:
            return os.path.join(each, found)
    return None


def read(path: str) -> Header | None:
    """The header of a projector; None if the file is none."""
    try:
        header = reader.read_header(path)
    except SidecarError:
        return None
    return header if header.architecture == ARCHITECTURE else None
