"""llama.cpp's log: it goes to our log, and its errors explain why a call failed."""

from __future__ import annotations

from collections import deque
from typing import Final

from sidecar.message_handler import log

KEPT_ERRORS: Final = 20
ERROR: Final = 4
"""GGML_LOG_LEVEL_ERROR (ggml.h)."""

LEVELS: Final = {1: "debug", 2: "debug", 3: "info", 4: "info", 5: "debug"}
"""ggml_log_level → our level. Warnings (3) and errors (4) are only "info": a call that fails is answered with a
typed error that has llama.cpp's reason in it, and an abort that we asked for is an error to llama.cpp, too.
5 continues a line."""


class LlamaLog:
    """Receives llama.cpp's log lines; keeps the last errors."""

    def __init__(self) -> None:
        self._errors: deque[str] = deque(maxlen=KEPT_ERRORS)

    def __call__(self, level: int, line: bytes) -> None:
        """Take one line."""
        ours = LEVELS.get(level, "debug")
        if level != ERROR and not log.enabled(ours):  # a load and a context write 2,300 lines
            return
        text = line.decode("utf-8", "replace").strip()
        if text and level == ERROR:
            self._errors.append(text)
        if text.strip("."):
            log.log(ours, text, source="llama.cpp")

    def clear(self) -> None:
        """Forget all errors: the next call starts."""
        self._errors.clear()

    def first_error(self) -> str:
        """The first error since `clear`. It is the cause; later errors are its consequences."""
        return self._errors[0] if self._errors else "llama.cpp gave no reason"
