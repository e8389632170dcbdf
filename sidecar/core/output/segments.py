"""The pieces in which output is streamed, what splits it into them, and what is told of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from sidecar.core.output.calls.tagged_calls import CallSink

if TYPE_CHECKING:
    from sidecar.message_handler._types import ToolCallProgress

Segment = Literal["text", "reasoning", "toolCall"]


class Delta(NamedTuple):
    """A piece of a segment. `call` names the tool call whose arguments it belongs to."""

    segment: Segment
    text: str
    call: ToolCallProgress | None = None


class OutputSink(CallSink, Protocol):
    """Receives what a splitter has found, in order."""

    @property
    def last_call(self) -> str: ...
    def has(self, segment: Segment) -> bool: ...
    def write(self, segment: Segment, text: str) -> None: ...


class Splitter(ABC):
    """Splits what a model says into segments while it is generated. Text that may become a mark is held back."""

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink
        self._held = ""
        self._opened = False
        """The mark of a call has come since the last `take_call`."""

    @property
    def has_partial_mark(self) -> bool:
        """Whether text is held back that may become a mark."""
        return bool(self._held.strip())

    def feed(self, text: str) -> None:
        """Add generated text. Raises SidecarError `unknownTool`, `invalidToolArguments`."""
        self._held += text
        while self._held and self._advance():
            pass

    @abstractmethod
    def _advance(self) -> bool:
        """Process the certain part of the held text. Returns whether to continue with the rest."""

    def take_call(self) -> str | None:
        """If the mark of a call has come since the last time: what has come after it. Else None."""
        opened, self._opened = self._opened, False
        return self._call_text() if opened else None

    @abstractmethod
    def _call_text(self) -> str | None:
        """What has come after the last mark of a call; None if it turned out not to begin one."""

    @property
    @abstractmethod
    def in_reasoning(self) -> bool:
        """Whether the current segment is reasoning."""

    @abstractmethod
    def begin_reasoning(self) -> None:
        """Start inside reasoning, because the prompt ends with its start mark."""

    @abstractmethod
    def end(self, *, complete: bool) -> None:
        """Finish after the last text. `complete`: the model has ended it itself. Raises as `feed` does."""
