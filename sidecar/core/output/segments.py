"""The pieces in which output is streamed, and what the splitters of output report them to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from sidecar.core.output.tags import CallSink

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


class Splitter(Protocol):
    """Splits what a model says into segments while it is generated."""

    @property
    def in_reasoning(self) -> bool: ...
    @property
    def has_partial_mark(self) -> bool: ...
    def begin_reasoning(self) -> None: ...
    def feed(self, text: str) -> None: ...
    def end(self, *, complete: bool) -> None: ...
