"""What a request has written: text, reasoning and tool calls, and the pieces of them that are not sent yet."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final

from sidecar.core.output.calls.call_forms import CallForm
from sidecar.core.output.calls.tools import Tools, bad_arguments
from sidecar.core.output.harmony import HarmonySplitter
from sidecar.core.output.message_headers import NO_HEADERS, Headers
from sidecar.core.output.reasoning import HARMONY, ReasoningMarks
from sidecar.core.output.segments import Delta, Segment, Splitter
from sidecar.core.output.splitter import MarkSplitter

if TYPE_CHECKING:
    from sidecar.core.output.calls.elements import Element
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

    def take_call(self) -> None:
        """There are no calls."""

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def take_deltas(self) -> list[Delta]:
        """The pieces that have come since the last call."""
        text, self._deltas = "".join(self._deltas), []
        return [Delta("text", text)] if text else []

    def result(self) -> dict[str, object]:
        """The members of the result that belong to this method."""
        return {"text": self.text}

    def partial(self) -> PartialResult:
        """The same for a request that did not finish."""
        return {"text": self.text}


class Reply:
    """The output of `chat`: what a splitter finds."""

    def __init__(
        self,
        reasoning: ReasoningMarks | None,
        form: CallForm | None,
        tools: Tools | None,
        headers: Headers = NO_HEADERS,
        told: dict[str, object] | None = None,
    ) -> None:
        """`told`: further members of the result."""
        self._tools = tools
        self._told = told or {}
        self._written: dict[Segment, list[str]] = {"text": [], "reasoning": []}
        self._calls: list[ToolCall] = []
        self._call: ToolCallProgress | None = None
        """The call that is being written."""
        self._arguments: list[str] = []
        self._deltas: list[Delta] = []
        self._splitter: Splitter
        if reasoning == HARMONY:
            self._splitter = HarmonySplitter(self, calls=tools is not None)
        else:
            names = list(tools.schemas) if tools is not None else []
            form = form if tools is not None else None
            self._splitter = MarkSplitter(self, reasoning, form, headers.of_tools(names))

    def begin_reasoning(self) -> None:
        """Start inside reasoning, because the prompt ends with its start mark."""
        self._splitter.begin_reasoning()

    @property
    def in_reasoning(self) -> bool:
        """Whether the current segment is reasoning."""
        return self._splitter.in_reasoning

    @property
    def has_partial_mark(self) -> bool:
        """Whether text is held back that may become a mark."""
        return self._splitter.has_partial_mark

    def take_call(self) -> str | None:
        """If the mark of a call has come since the last time: what has come after it. Else None."""
        return self._splitter.take_call()

    # ---- input -----------------------------------------------------------------------------------

    def feed(self, text: str) -> None:
        """Add generated text. Raises SidecarError `unknownTool`, `invalidToolArguments`."""
        self._splitter.feed(text)

    def end(self, reason: str) -> str:
        """Finish after the last text. Returns the finish reason: `toolCalls` instead of `stop` if there are calls.

        A call that `maxTokens` cut off is left out. Raises SidecarError `invalidToolArguments`, `unknownTool`.
        """
        self._splitter.end(complete=reason == "stop")
        if self._call is not None and reason == "stop":
            raise bad_arguments(self._call["name"], "".join(self._arguments), "the call has no end")
        return "toolCalls" if self._calls and reason == "stop" else reason

    # ---- output ----------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text so far, without reasoning and calls."""
        return "".join(self._written["text"])

    def take_deltas(self) -> list[Delta]:
        """The pieces that have come since the last call."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def result(self) -> dict[str, object]:
        """The members of the result that belong to this method."""
        message: AssistantMessage = {"role": "assistant", "content": self.text}
        self._add_reasoning_and_calls(message)
        return {"message": message, **self._told}

    def partial(self) -> PartialResult:
        """The same for a request that did not finish."""
        partial: PartialResult = {"text": self.text}
        self._add_reasoning_and_calls(partial)
        return partial

    def _add_reasoning_and_calls(self, target: AssistantMessage | PartialResult) -> None:
        if self._written["reasoning"]:
            target["reasoningContent"] = "".join(self._written["reasoning"])
        if self._calls:
            target["toolCalls"] = self._calls

    # ---- what the splitter reports: see OutputSink -----------------------------------------------

    @property
    def last_call(self) -> str:
        return self._calls[-1]["function"]["name"] if self._calls else ""

    def has(self, segment: Segment) -> bool:
        return bool(self._written[segment])

    def write(self, segment: Segment, text: str) -> None:
        self._written[segment].append(text)
        self._add_delta(Delta(segment, text))

    def _add_delta(self, delta: Delta) -> None:
        last = self._deltas[-1] if self._deltas else None
        if last is not None and (last.segment, last.call) == (delta.segment, delta.call):
            self._deltas[-1] = last._replace(text=last.text + delta.text)
        else:
            self._deltas.append(delta)

    def has_tool(self, name: str) -> bool:
        return self._tools is not None and name in self._tools.schemas

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

    def parse_element(self, name: str, key: str, element: Element) -> object:
        assert self._tools is not None
        return self._tools.parse_element(name, key, element)

    def parse_value(self, name: str, key: str, text: str, is_string: bool | None) -> object:
        assert self._tools is not None
        return self._tools.parse_value(name, key, text, is_string)
