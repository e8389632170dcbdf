"""Prints what a model says, while it says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TextIO

from sidecar.cli.shown.bar import ProgressBar
from sidecar.cli.shown.terminal import dims, speakable

if TYPE_CHECKING:
    from sidecar.message_handler._types import Progress

DIM: Final = "\x1b[2m"
NOT_DIM: Final = "\x1b[22m"


class Answer:
    """Prints one answer. Its thoughts are dimmed; where a terminal cannot do that, words stand around them."""

    def __init__(
        self, stream: TextIO, bar: ProgressBar, *, shows: bool = True, thoughts: bool = True
    ) -> None:
        self._stream = stream
        self._bar = bar
        self._shown = ("text", "reasoning") if shows and thoughts else ("text",) if shows else ()
        self._dims = dims(stream)
        self._at_terminal = stream.isatty()
        self._segment = ""
        self._in_line = False

    def notified(self, method: str, params: Any) -> None:  # Progress or Info, as the method says
        """Show a notification of the program."""
        progress: Progress = params
        if method != "progress" or progress["progressType"] != "generate":
            self._end_line()
            self._bar.notified(method, params)
        elif progress["segment"] in self._shown:
            self._bar.clear()
            self._turn_to(progress["segment"])
            self._write(progress["delta"])

    def end(self) -> None:
        """End the last line."""
        self._bar.clear()
        self._turn_to("")

    def _turn_to(self, segment: str) -> None:
        if segment == self._segment:
            return
        if self._segment == "reasoning":
            self._stream.write(NOT_DIM if self._dims else "\n(end of the thoughts)")
            self._in_line = True
        self._end_line()
        if self._segment == "reasoning" and segment:
            self._stream.write("\n")
        if segment == "reasoning":
            self._stream.write(DIM if self._dims else "(thoughts)\n")
        self._segment = segment
        self._stream.flush()

    def _write(self, text: str) -> None:
        self._stream.write(speakable(text) if self._at_terminal else text)
        self._stream.flush()
        self._in_line = not text.endswith("\n")

    def _end_line(self) -> None:
        if self._in_line:
            self._stream.write("\n")
            self._in_line = False
