"""Keeps samplers that take long to create. A request with the same options gets a copy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer

MAX_KEPT: Final = 32
"""Samplers that are kept; the least recently used one is dropped first."""


class SamplerCache:
    """Owns samplers for one model. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, SamplerPointer] = {}

    def clone(self, key: Hashable, make: Callable[[], SamplerPointer]) -> SamplerPointer:
        """A copy of the key's sampler, which `make` creates if it is not kept. The caller owns the copy."""
        with self._lock:
            sampler = self._kept.pop(key, None)
            if sampler is None:
                sampler = make()
            self._kept[key] = sampler  # at the end: the most recently used
            if len(self._kept) > MAX_KEPT:
                lib.llama_sampler_free(self._kept.pop(next(iter(self._kept))))
            return lib.llama_sampler_clone(sampler)
