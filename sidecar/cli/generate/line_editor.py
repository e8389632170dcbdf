"""Reads what a person types at a terminal, with the library prompt_toolkit: the same on all systems.

It is imported here only, when a conversation begins.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Final, TextIO

# prompt_toolkit imports its progress bars, which parse XML, which the frozen program cannot. Names are enough.
UNUSED: Any = SimpleNamespace(ProgressBar=None, ProgressBarCounter=None)  # in a module's place
sys.modules.setdefault("prompt_toolkit.shortcuts.progress_bar", UNUSED)

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from sidecar.models.store.store import default_directory

PROMPT: Final = "> "

MAX_ENTRIES: Final = 1000
"""Entries of the history that are kept; the file is cut to them when it has twice as many."""

MAX_ENTRY_CHARS: Final = 4000
"""A longer message was pasted, and is not kept."""

MAX_CHARS: Final = 64 * 1024 * 1024
"""More than a history has; the rest of a longer file is not read."""


def history_path() -> str:
    """The history's file, beside the models directory."""
    return os.path.join(os.path.dirname(default_directory()), "chat-history.jsonl")


class LineEditor:
    """Asks for a message. Enter sends it, Alt-Enter begins a new line; pasted lines are one message."""

    def __init__(self, commands: Iterable[str]) -> None:
        bindings = KeyBindings()

        @bindings.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            history=HistoryFile(history_path()),
            completer=WordCompleter(list(commands), sentence=True),
            complete_while_typing=False,
            key_bindings=bindings,
            enable_open_in_editor=False,
        )

    def ask(self) -> str | None:
        """What was typed; None at the end of the input (Ctrl-D). Raises KeyboardInterrupt at Ctrl-C."""
        try:
            text = self._session.prompt()
        except EOFError:
            return None
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()


class HistoryFile(History):
    """Keeps what was typed in a file that only its user may read. Without the file, for this chat alone."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """The entries, the newest first."""
        lines = self._lines()
        if len(lines) > 2 * MAX_ENTRIES:
            lines = lines[-MAX_ENTRIES:]
            with contextlib.suppress(OSError):
                self._cut(lines)
        for line in reversed(lines[-MAX_ENTRIES:]):
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, str):
                    yield entry

    def store_string(self, string: str) -> None:
        """Add an entry."""
        if len(string) > MAX_ENTRY_CHARS:
            return
        with contextlib.suppress(OSError):  # a chat works without its history
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with _private(self._path, os.O_APPEND) as file:
                file.write(json.dumps(string) + "\n")

    def _lines(self) -> list[str]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.read(MAX_CHARS).splitlines()
        except OSError:
            return []

    def _cut(self, lines: list[str]) -> None:
        new = f"{self._path}.{os.getpid()}"
        with _private(new, os.O_TRUNC) as file:
            file.write("".join(f"{line}\n" for line in lines))
        os.replace(new, self._path)


def _private(path: str, flag: int) -> TextIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600), "w", encoding="utf-8")
