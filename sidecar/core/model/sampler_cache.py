"""Samplers that are slow to make, kept to be copied for each request that wants the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final

from sidecar.core.llama.bindings import lib

MAX_KEPT: Final = 32
"""Samplers that are kept; the one whose last use is longest ago goes first."""


class SamplerCache:
    """Owns samplers of one model. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, Any] = {}

    def clone(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """A copy, the caller's own, of the sampler that `make` makes for this key."""
        with self._lock:
            sampler = self._kept.pop(key, None)
            if sampler is None:
                sampler = make()
            self._kept[key] = sampler  # the last in the row is the last used
            if len(self._kept) > MAX_KEPT:
                lib.llama_sampler_free(self._kept.pop(next(iter(self._kept))))
            return lib.llama_sampler_clone(sampler)
