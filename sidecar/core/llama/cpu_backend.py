"""Chooses the CPU backend: one library per generation of processors, compiled for what that generation can do."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import sys
from typing import Final

from sidecar.core.llama import bindings, ggml

BEST_FIRST: Final = (
    "sapphirerapids", "zen4", "icelake", "alderlake", "haswell", "sandybridge", "sse42", "x64",
)  # fmt: skip
"""Variants for x86-64 in the order of their scores: one bit per feature (ggml-cpu/arch/x86/cpu-feats.cpp)."""


def load() -> str:
    """Load the best variant for this processor; returns its name. Raises ImportError if none can run.

    Each library scores itself, 0 if it cannot run here. ggml's own loader does the same, but does not report
    its choice, and on Windows fails with a folder whose name is not ASCII.
    """
    if "cpu" in ggml.backends():  # in a custom build, part of libggml
        return "builtIn"
    folder = bindings.folder()
    names = {
        bindings.middle(name.removeprefix("lib"), "ggml-cpu-", ".so", ".dll"): name
        for name in os.listdir(folder)
    }
    variants = sorted(filter(None, names), key=lambda v: BEST_FIRST.index(v) if v in BEST_FIRST else -1)
    best: ctypes.CDLL | None = None
    chosen, best_score = "", 0
    for variant in variants:
        library = ctypes.CDLL(os.path.join(folder, names[variant]))
        score = library.ggml_backend_score()
        if score <= best_score:
            _close(library)
            continue
        if best is not None:
            _close(best)
        best, chosen, best_score = library, variant, score
        if variant in BEST_FIRST:
            break
    if best is None:
        raise ImportError(f"no CPU backend in {folder} can run on this processor; there are {variants}")
    ggml.register_backend(ggml.init_backend(best, names[chosen]))
    return chosen


def _close(library: ctypes.CDLL) -> None:
    """Unload a library, which frees 200 kB; ctypes has no public way."""
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
