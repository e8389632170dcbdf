"""Splits what a model says into text, reasoning and tool calls while it is generated.

A mark may be cut into several tokens: text at the end that may become a mark is held back until this is
known. White space around a mark belongs to the mark, not to a segment.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final

from sidecar.core.output.partial_match import partial_match
from sidecar.core.output.reasoning import ReasoningMarks
from sidecar.core.output.segments import Delta, Segment
from sidecar.core.output.tool_call_parser import CallReader, NotACall
from sidecar.core.output.tool_formats import CallForm
from sidecar.core.output.tools import Tools, bad_arguments

if TYPE_CHECKING:
    from sidecar.message_handler._types import AssistantMessage, PartialResult, ToolCall, ToolCallProgress

ID_ALPHABET: Final = string.ascii_letters + string.digits
ID_LENGTH: Final = 9
"""Mistral's templates require ids of this form."""


class TextOutput:
    """The output of `complete` and `infill`: all of it is text."""

    in_reasoning = has_partial_mark = False

    def __init__(self) -> None:
        self._text: list[str] = []
        self._deltas: list[str] = []

    def feed(self, text: str) -> None:
        """Add generated text."""
        if text:
            self._text.append(text)
            self._deltas.append(text)

    def end(self, reason: str) -> str:
        """Finish after the last text. Returns the finish reason, unchanged."""
        return reason

    def take_deltas(self) -> list[Delta]:
        """The pieces that have come since the last call."""
        text, self._deltas = "".join(self._deltas), []
        return [Delta("text", text)] if text else []

    def result(self) -> dict[str, object]:
        """The members of the result that belong to this method."""
        return {"text": "".join(self._text)}

    def partial(self) -> PartialResult:
        """The same for a request that did not finish."""
        return {"text": "".join(self._text)}


class Reply:
    """The output of `chat`."""

    def __init__(self, reasoning: ReasoningMarks | None, form: CallForm | None, tools: Tools | None) -> None:
        self._reasoning = reasoning
        self._form = form if tools is not None else None
        self._tools = tools
        self._written: dict[Segment, list[str]] = {"text": [], "reasoning": []}
        self._calls: list[ToolCall] = []
        self._call: ToolCallProgress | None = None
        """The call that is being written."""
        self._arguments: list[str] = []
        self._reader: CallReader | None = None
        self._unmarked = ""
        """The beginning of a possible call without a start mark. It becomes text if it is not a call."""
        self._segment: Segment | None = "text"
        self._held = ""
        self._trim = False
        self._deltas: list[Delta] = []

    def begin_reasoning(self) -> None:
        """Start inside reasoning, because the prompt ends with its start mark."""
        self._segment, self._trim = "reasoning", True

    @property
    def in_reasoning(self) -> bool:
        """Whether the current segment is reasoning."""
        return self._segment == "reasoning"

    @property
    def has_partial_mark(self) -> bool:
        """Whether text is held back that may become a mark."""
        return bool(self._held.strip())

    # ---- input -----------------------------------------------------------------------------------

    def feed(self, text: str) -> None:
        """Add generated text. Raises SidecarError `unknownTool`, `invalidToolArguments`."""
        self._held += text
        while self._held and self._advance():
            pass

    def end(self, reason: str) -> str:
        """Finish after the last text. Returns the finish reason: `toolCalls` instead of `stop` if there are calls.

        Raises SidecarError `invalidToolArguments`.
        """
        if self._reader is not None:
            self._end_reader(reason)
        held, self._held = self._held, ""
        self._write(held)
        return "toolCalls" if self._calls and reason == "stop" else reason

    def _end_reader(self, reason: str) -> None:
        self._reader = None
        if self._calls_are_unmarked and self._call is None:
            if not self._calls:
                self._write_unmarked()
        elif self._call is not None and reason == "stop":
            raise bad_arguments(self._call["name"], "".join(self._arguments), "the call has no end")

    def _advance(self) -> bool:
        """Process the certain part of the held text. Returns whether to continue with the rest."""
        if self._reader is not None:
            return self._feed_reader(self._reader)
        if self._form is not None and self._may_begin_unmarked_call and self._held.lstrip().startswith("{"):
            self._reader, self._unmarked = CallReader(self._form, self), ""
            return True
        marks = self._active_marks()
        found = [(at, -len(mark), mark) for mark in marks if (at := self._find(mark)) >= 0]
        if found:
            at, _, mark = min(found)
            before, self._held = self._held[:at], self._held[at + len(mark) :]
            self._write(before.rstrip())
            self._enter(marks[mark])
            return True
        certain = len(self._held) - self._uncertain_length(marks)
        certain_text, self._held = self._held[:certain], self._held[certain:]
        self._write(certain_text)
        return False

    def _find(self, mark: str) -> int:
        """Position of a mark in the held text; negative if it is not there or does not count there."""
        at, reasoning = self._held.find(mark), self._reasoning
        only_first = reasoning is not None and reasoning.plain and mark == reasoning.start
        return -1 if only_first and self._held[:at].strip() else at

    def _feed_reader(self, reader: CallReader) -> bool:
        unmarked = self._calls_are_unmarked
        fresh, self._held = self._held, ""
        if unmarked:
            self._unmarked += fresh
        try:
            rest = reader.feed(fresh)
        except NotACall as error:
            self._reader = None
            if unmarked and self._call is None and not self._calls:
                self._write_unmarked()
                return False
            raise bad_arguments("", fresh, str(error)) from None
        if rest is None:
            return False
        self._reader, self._held, self._trim = None, rest, True
        return True

    @property
    def _calls_are_unmarked(self) -> bool:
        """Whether calls have no start mark: the JSON object itself begins the call."""
        return self._form is not None and not self._form.start

    @property
    def _may_begin_unmarked_call(self) -> bool:
        """Whether such a call may begin here: only before all text and all calls."""
        at_start = self._segment == "text" and not self._written["text"] and not self._calls
        return at_start and self._calls_are_unmarked

    def _active_marks(self) -> dict[str, Segment | None]:
        """The marks that count at this point, and the segment that follows each."""
        marks: dict[str, Segment | None] = {}
        reasoning, has_text = self._reasoning, bool(self._written["text"])
        if reasoning is not None:
            marks.update(reasoning.others)
            if self.in_reasoning or not reasoning.plain:
                marks[reasoning.end] = "text"
            if not self.in_reasoning and not (reasoning.plain and has_text):
                marks[reasoning.start] = "reasoning"
        if self._form is not None and self._form.start and not self.in_reasoning:
            marks.update(dict.fromkeys(self._form.around, "text"))
            marks[self._form.start] = "toolCall"
        return marks

    def _enter(self, segment: Segment | None) -> None:
        """Begin the segment that follows a mark."""
        self._trim = True
        if segment == "toolCall":
            assert self._form is not None
            self._reader = CallReader(self._form, self)
            segment = "text"
        if segment == "reasoning" and self._written["reasoning"]:
            self._write_to("reasoning", "\n")
        self._segment = segment

    def _uncertain_length(self, marks: dict[str, Segment | None]) -> int:
        """Length of the end to hold back: the beginning of a mark, and the white space before it."""
        if self._may_begin_unmarked_call and self._held.isspace():
            return len(self._held)
        if not marks:
            return 0
        held = self._held
        certain = held[: len(held) - partial_match(held, marks)]
        return len(held) - len(certain.rstrip())

    # ---- output ----------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        if self._trim:
            text = text.lstrip()
        if not text or self._segment is None:
            return
        self._trim = False
        self._write_to(self._segment, text)

    def _write_to(self, segment: Segment, text: str) -> None:
        self._written[segment].append(text)
        self._add_delta(Delta(segment, text))

    def _write_unmarked(self) -> None:
        text, self._unmarked = self._unmarked, ""
        self._write(text)

    def _add_delta(self, delta: Delta) -> None:
        last = self._deltas[-1] if self._deltas else None
        if last is not None and (last.segment, last.call) == (delta.segment, delta.call):
            self._deltas[-1] = last._replace(text=last.text + delta.text)
        else:
            self._deltas.append(delta)

    def take_deltas(self) -> list[Delta]:
        """The pieces that have come since the last call."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def result(self) -> dict[str, object]:
        """The members of the result that belong to this method."""
        message: AssistantMessage = {"role": "assistant", "content": "".join(self._written["text"])}
        self._add_reasoning_and_calls(message)
        return {"message": message}

    def partial(self) -> PartialResult:
        """The same for a request that did not finish."""
        partial: PartialResult = {"text": "".join(self._written["text"])}
        self._add_reasoning_and_calls(partial)
        return partial

    def _add_reasoning_and_calls(self, target: AssistantMessage | PartialResult) -> None:
        if self._written["reasoning"]:
            target["reasoningContent"] = "".join(self._written["reasoning"])
        if self._calls:
            target["toolCalls"] = self._calls

    # ---- what the reader of a call reports: see CallSink -----------------------------------------

    def begin_call(self, name: str) -> None:
        import secrets

        assert self._tools is not None
        self._tools.check_name(name)
        call_id = "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))
        self._call = {"index": len(self._calls), "id": call_id, "name": name}
        self._arguments = []

    def add_arguments(self, delta: str) -> None:
        if delta:
            self._arguments.append(delta)
            self._add_delta(Delta("toolCall", delta, self._call))

    def end_call(self) -> None:
        assert self._tools is not None
        assert self._call is not None
        arguments, name = "".join(self._arguments), self._call["name"]
        self._tools.check_arguments(name, arguments)
        call_id = self._call["id"]
        self._calls.append(
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
        )
        self._call = None

    def parse_value(self, name: str, key: str, text: str) -> object:
        assert self._tools is not None
        return self._tools.parse_value(name, key, text)
