"""Whether a file is a projector, and why one does not fit a model."""

from __future__ import annotations

import re
from typing import Final

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader
from sidecar.models.gguf.projector import ARCHITECTURE

TYPE_KEYS: Final = tuple(f"clip.{part}projector_type" for part in ("", "vision.", "audio."))
BY_PLACE: Final = ("deepseek4v", "hunyuanvl")
"""Projectors whose rows depend on where in the prompt a picture stands. Ours are the same everywhere."""

_SIZES: Final = re.compile(r"text model \(n_embd = (\d+)\) and mmproj \(n_embd = (\d+)\)")
"""In llama.cpp's log, of a projector for another model."""


def check(path: str) -> None:
    """Check the header before llama.cpp reads it.

    Raises SidecarError `unsuitableProjector`, and those of `reader.read_header`.
    """
    try:
        header = reader.read_header(path)
    except SidecarError as error:
        error.point_to("/projectorPath")
        raise
    if header.architecture != ARCHITECTURE:
        raise unsuitable(
            path, f"its architecture is {header.architecture!r:.50}, that of projectors is 'clip'"
        )
    kinds = {header.typed(key, str) for key in TYPE_KEYS} & set(BY_PLACE)
    if kinds:
        cause = f"projectors of the type {kinds.pop()} are not supported"
        raise unsuitable(path, cause)


def unsuitable(path: str, cause: str) -> SidecarError:
    """The error for a file that is no projector for the model."""
    sizes = _SIZES.search(cause)
    if sizes:
        cause = f"the model's embeddings have {sizes[1]} numbers, those of the projector {sizes[2]}"
    problem = f"/projectorPath: {path!r} does not fit the model: {cause}"
    return SidecarError(
        "unsuitableProjector", problem, pointer="/projectorPath", value=path[:500], cause=cause
    )
