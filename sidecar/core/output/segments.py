"""The pieces in which output is streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from sidecar.message_handler._types import ToolCallProgress

Segment = Literal["text", "reasoning", "toolCall"]


class Delta(NamedTuple):
    """A piece of a segment. `call` names the tool call whose arguments it belongs to."""

    segment: Segment
    text: str
    call: ToolCallProgress | None = None
