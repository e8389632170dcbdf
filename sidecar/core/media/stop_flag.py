"""Ends the encoding of a picture or a sound from another thread."""

from __future__ import annotations

import time
from typing import Final

from sidecar.core.llama.bindings import lib

SLICE_S: Final = 0.01
"""Time between two looks at whether the encoding shall stop. After each look ggml starts its threads anew."""

FIRST_NODES: Final = 20
"""Operations before the first look, and the fewest between two looks."""

MAX_NODES: Final = 1000
"""The most operations between two looks."""


class StopFlag:
    """libmtmd has no flag of its own, but it asks a callback about operations."""

    def __init__(self) -> None:
        self.is_set = False
        self.callback = lib.ggml_backend_sched_eval_callback(self._on_node)
        self._nodes = 0
        """Operations since the last look."""
        self._most = FIRST_NODES
        """How many operations come before the next look."""
        self._since = 0.0

    def begin(self) -> None:
        """Another chunk is encoded from now on."""
        self._nodes = 0

    def _on_node(self, _: object, asks: bool, __: object) -> bool:
        """ggml asks before each operation whether to wait for its result, then whether to go on after it."""
        if not asks:
            self._adapt(time.monotonic() - self._since)
            self._nodes = 0
            return not self.is_set
        if self._nodes == 0:
            self._since = time.monotonic()
        self._nodes += 1
        return self.is_set or self._nodes >= self._most

    def _adapt(self, seconds: float) -> None:
        if seconds > SLICE_S:
            self._most = max(self._most // 2, FIRST_NODES)
        elif seconds < SLICE_S / 2:
            self._most = min(2 * self._most, MAX_NODES)
