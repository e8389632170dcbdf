"""Splits the output of gpt-oss, which writes each message with a header of role, recipient, channel and type.

    <|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>{…}<|call|>

The prompt ends with the role, so the first header begins after it. The recipient may also follow the channel.
"""

from __future__ import annotations

import re
from typing import Final

from sidecar.core.output.calls.arguments import object_text
from sidecar.core.output.calls.call_reader import JsonValue
from sidecar.core.output.calls.tools import bad_arguments
from sidecar.core.output.detokenizer import partial_match
from sidecar.core.output.segments import OutputSink, Segment, Splitter

MESSAGE: Final = "<|message|>"
ENDS: Final = ("<|end|>", "<|return|>", "<|call|>")
STARTS: Final = ("<|start|>", "<|channel|>")
"""Marks that begin a header in the middle of a message whose end is missing."""

HEADER_MARKS: Final = (*STARTS, "<|constrain|>", "to=", MESSAGE)
"""What a header begins with."""

MAX_HEADER_CHARS: Final = 300
PEOPLE: Final = ("user", "assistant", "all", "self")
"""Recipients that are not tools."""

_HEADER: Final = re.compile(r"(?:<\|(?:start|channel|constrain)\|>|[^<\n])*")
_RECIPIENT: Final = re.compile(r"(?:^|[\s>])to=([^\s<]*)")
_CHANNEL: Final = re.compile(r"<\|channel\|>\s*(\w*)")


class HarmonySplitter(Splitter):
    """The splitter for models that write channels."""

    def __init__(self, sink: OutputSink, *, calls: bool) -> None:
        super().__init__(sink)
        self._calls = calls
        """Whether the request has tools. Without them, what a model writes to a tool belongs to its channel."""
        self._in_header = True
        self._addressed = False
        """The header has a recipient."""
        self._segment: Segment = "text"
        """That of the current message, and of what is not a header."""
        self._trim = True
        self._fresh = False
        """The current message has no text yet."""
        self._call = ""
        """The name of the call whose arguments come."""
        self._value: JsonValue | None = None

    def begin_reasoning(self) -> None:
        self._begin_message("reasoning")

    def _call_text(self) -> str | None:
        recipient = _RECIPIENT.search(self._held) if self._in_header and self._addressed else None
        return None if recipient is None else self._held[recipient.start(1) :]

    @property
    def in_reasoning(self) -> bool:
        return self._segment == "reasoning" and not self._in_header

    def end(self, *, complete: bool) -> None:
        if self._value is not None:
            if complete and not self._value.kind:
                self._finish_call(self._held)
            return
        if self._in_header and self._held.strip():
            self._not_a_header()
            self.feed("")
        held, self._held = self._held, ""
        self._write(held)

    def _advance(self) -> bool:
        if self._in_header:
            return self._read_header()
        if self._value is not None:
            return self._read_arguments(self._value)
        marks = (*ENDS, *STARTS)
        found = [(at, mark) for mark in marks if (at := self._held.find(mark)) >= 0]
        if not found:
            held = self._held
            certain = len(held[: len(held) - partial_match(held, marks)].rstrip())
            self._held = held[certain:]
            self._write(held[:certain])
            return False
        at, mark = min(found)
        text = self._held[:at].rstrip()
        self._write(text)
        if mark in ENDS:
            self._held = self._held[at + len(mark) :]
            self._begin_message("text")
        else:
            self._held = self._held[len(text) :]
        self._in_header = True
        return True

    # ---- headers ---------------------------------------------------------------------------------

    def _read_header(self) -> bool:
        text = self._held.lstrip()
        if not any(text.startswith(mark) for mark in HEADER_MARKS):
            if any(mark.startswith(text) for mark in HEADER_MARKS):
                return False
            self._not_a_header()
            return True
        head, message, rest = text.partition(MESSAGE)
        certain = head if message else head[: len(head) - partial_match(head, (*HEADER_MARKS, MESSAGE))]
        if len(certain) > MAX_HEADER_CHARS or _HEADER.fullmatch(certain) is None:
            self._not_a_header()
            return True
        if self._calls and not self._addressed and _RECIPIENT.search(head):
            self._addressed = self._opened = True
        if not message:
            return False
        self._held = rest
        self._open(head)
        return True

    def _not_a_header(self) -> None:
        """What looked like the beginning of a header is text of the current message."""
        first = len(self._held) - len(self._held.lstrip()) + 1
        text, self._held = self._held[:first], self._held[first:]
        self._in_header = self._addressed = False
        self._write(text)

    def _open(self, header: str) -> None:
        """Begin the message that follows a header."""
        recipient, channel = _RECIPIENT.search(header), _CHANNEL.search(header)
        self._begin_message("reasoning" if channel is not None and channel[1] == "analysis" else "text")
        name = recipient[1] if recipient is not None else ""
        if not name or not self._calls:
            return
        if name not in PEOPLE or self._sink.has_tool(name):
            self._call = name if self._sink.has_tool(name) else name.removeprefix("functions.")
            self._value = JsonValue()
            self._sink.begin_call(self._call)

    def _begin_message(self, segment: Segment) -> None:
        self._segment, self._trim, self._fresh, self._in_header = segment, True, True, False
        self._addressed = False

    # ---- messages --------------------------------------------------------------------------------

    def _read_arguments(self, value: JsonValue) -> bool:
        if not value.kind:
            self._held = self._held.lstrip()
            if self._held and not self._held.startswith("{"):
                ends = [at for mark in ENDS if (at := self._held.find(mark)) >= 0]
                if not ends:
                    return False
                written, self._held = self._held[: min(ends)], self._held[min(ends) :]
                self._finish_call(written)
                return True
        length = value.scan(self._held)
        piece, self._held = self._held[:length], self._held[length:]
        self._sink.add_arguments(piece)
        if not value.ended:
            return False
        self._end_call()
        return True

    def _finish_call(self, written: str) -> None:
        """End a call whose arguments are not written as an object."""
        try:
            arguments = object_text(written)
        except ValueError as error:
            raise bad_arguments(self._call, written, str(error)) from None
        self._sink.add_arguments(arguments)
        self._end_call()

    def _end_call(self) -> None:
        self._sink.end_call()
        self._value = None
        self._begin_message("text")

    def _write(self, text: str) -> None:
        if self._trim:
            text = text.lstrip()
        if not text:
            return
        if self._fresh and self._sink.has(self._segment):
            self._sink.write(self._segment, "\n")  # between two messages
        self._trim = self._fresh = False
        self._sink.write(self._segment, text)
