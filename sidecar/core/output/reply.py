"""What a model says, taken apart while it comes: text, thoughts and calls of tools.

Marks can be cut by tokens anywhere: an end that could become one is held back until it is known. White
space around marks is theirs, so it belongs to no segment.
"""

from __future__ import annotations

import string
from typing import Any, Final, NamedTuple

from sidecar.core.output.reasoning import Segment, Thinking
from sidecar.core.output.tool_call_parser import CallReader, NotACall
from sidecar.core.output.tool_formats import CallForm
from sidecar.core.output.tools import Tools, bad_arguments

ID_ALPHABET: Final = string.ascii_letters + string.digits
ID_LENGTH: Final = 9
"""Mistral's templates want ids of this form."""


class Delta(NamedTuple):
    """A piece of a segment; `call` of a call is its index, id and name."""

    segment: Segment
    text: str
    call: dict[str, Any] | None = None


class Text:
    """What `complete` gives out: all of it is text."""

    thinks = undecided = False

    def __init__(self) -> None:
        self._text: list[str] = []
        self._untold: list[str] = []

    def feed(self, text: str) -> None:
        """Take text."""
        if text:
            self._text.append(text)
            self._untold.append(text)

    def end(self, reason: str) -> str:
        """All has come; the finish reason may be another now."""
        return reason

    def untold(self) -> list[Delta]:
        """The pieces that have come since the last call."""
        text, self._untold = "".join(self._untold), []
        return [Delta("text", text)] if text else []

    def result(self) -> dict[str, Any]:
        """The method's own members of the result."""
        return {"text": "".join(self._text)}

    def partial(self) -> dict[str, Any]:
        """The same of what was not finished."""
        return self.result()


class Reply:
    """What `chat` gives out."""

    def __init__(self, thinking: Thinking | None, form: CallForm | None, tools: Tools | None) -> None:
        self._thinking = thinking
        self._form = form if tools is not None else None
        self._tools = tools
        self._said: dict[Segment, list[str]] = {"text": [], "reasoning": []}
        self._calls: list[dict[str, Any]] = []
        self._call: dict[str, Any] | None = None
        """The one that is being written."""
        self._arguments: list[str] = []
        self._reader: CallReader | None = None
        self._read = ""
        """What the reader took of a form without a mark: text after all, if it is no call."""
        self._segment: Segment | None = "text"
        self._held = ""
        self._trim = False
        self._untold: list[Delta] = []

    def open_thought(self) -> None:
        """The prompt has begun a thought already."""
        self._segment, self._trim = "reasoning", True

    @property
    def thinks(self) -> bool:
        """Whether a thought goes on."""
        return self._segment == "reasoning"

    @property
    def undecided(self) -> bool:
        """Whether something is held back that could be a mark."""
        return bool(self._held.strip())

    # ---- what comes ------------------------------------------------------------------------------

    def feed(self, text: str) -> None:
        """Take text. Raises SidecarError `unknownTool`, `invalidToolArguments`."""
        self._held += text
        while self._held and self._take():
            pass

    def end(self, reason: str) -> str:
        """All has come; the finish reason may be another now. Raises SidecarError `invalidToolArguments`."""
        if self._reader is not None:
            self._end_reader(reason)
        held, self._held = self._held, ""
        self._say(held)
        return "toolCalls" if self._calls and reason == "stop" else reason

    def _end_reader(self, reason: str) -> None:
        self._reader = None
        if self._form is not None and not self._form.start and self._call is None:
            if not self._calls:
                self._say_read()
        elif self._call is not None and reason == "stop":
            raise bad_arguments(self._call["name"], "".join(self._arguments), "the call has no end")

    def _take(self) -> bool:
        """Take what is certain of what is held. Returns whether to go on with the rest."""
        if self._reader is not None:
            return self._take_call(self._reader)
        if self._begins_bare_call():
            self._reader, self._read = CallReader(self._form, self), ""  # type: ignore[arg-type]
            return True
        marks = self._marks()
        found = [(at, -len(mark), mark) for mark in marks if (at := self._find(mark)) >= 0]
        if found:
            at, _, mark = min(found)
            before, self._held = self._held[:at], self._held[at + len(mark) :]
            self._say(before.rstrip())
            self._enter(marks[mark])
            return True
        certain = len(self._held) - self._uncertain(marks)
        certain_text, self._held = self._held[:certain], self._held[certain:]
        self._say(certain_text)
        return False

    def _find(self, mark: str) -> int:
        """Where a mark is; negative if it is not, or does not count there."""
        at, thinking = self._held.find(mark), self._thinking
        only_first = thinking is not None and thinking.plain and mark == thinking.start
        return -1 if only_first and self._held[:at].strip() else at

    def _take_call(self, reader: CallReader) -> bool:
        bare = self._form is not None and not self._form.start
        fresh, self._held = self._held, ""
        if bare:
            self._read += fresh
        try:
            rest = reader.feed(fresh)
        except NotACall as error:
            self._reader = None
            if bare and self._call is None and not self._calls:
                self._say_read()
                return False
            raise bad_arguments("", fresh, str(error)) from None
        if rest is None:
            return False
        self._reader, self._held, self._trim = None, rest, True
        return True

    def _say_read(self) -> None:
        read, self._read = self._read, ""
        self._say(read)

    def _begins_bare_call(self) -> bool:
        """Whether a call begins that has no mark before it: an object."""
        return self._may_begin_bare and self._held.lstrip().startswith("{")

    @property
    def _may_begin_bare(self) -> bool:
        """Whether calls have no mark before them, and nothing was said yet."""
        fresh = self._segment == "text" and not self._said["text"] and not self._calls
        return fresh and self._form is not None and not self._form.start

    def _marks(self) -> dict[str, Segment | None]:
        """The marks that count now, and the segment that follows each."""
        marks: dict[str, Segment | None] = {}
        thinking, said = self._thinking, bool(self._said["text"])
        if thinking is not None:
            marks.update(thinking.others)
            if self.thinks or not thinking.plain:
                marks[thinking.end] = "text"
            if not self.thinks and not (thinking.plain and said):
                marks[thinking.start] = "reasoning"
        if self._form is not None and self._form.start and not self.thinks:
            marks.update(dict.fromkeys(self._form.around, "text"))
            marks[self._form.start] = "toolCall"
        return marks

    def _enter(self, segment: Segment | None) -> None:
        """A mark has passed."""
        self._trim = True
        if segment == "toolCall":
            assert self._form is not None
            self._reader = CallReader(self._form, self)
            segment = "text"
        if segment == "reasoning" and self._said["reasoning"]:
            self._say_as("reasoning", "\n")
        self._segment = segment

    def _uncertain(self, marks: dict[str, Segment | None]) -> int:
        """Length of the end that is held back: the beginning of a mark, and white space before it."""
        if self._may_begin_bare and self._held.isspace():
            return len(self._held)
        if not marks:
            return 0
        held, longest = self._held, max(map(len, marks)) - 1
        begun = 0
        for length in range(min(longest, len(held)), 0, -1):
            if any(mark.startswith(held[-length:]) for mark in marks):
                begun = length
                break
        certain = held[: len(held) - begun]
        return len(held) - len(certain.rstrip())

    # ---- what is said ----------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        if self._trim:
            text = text.lstrip()
        if not text or self._segment is None:
            return
        self._trim = False
        self._say_as(self._segment, text)

    def _say_as(self, segment: Segment, text: str) -> None:
        self._said[segment].append(text)
        self._tell(Delta(segment, text))

    def _tell(self, delta: Delta) -> None:
        last = self._untold[-1] if self._untold else None
        if last is not None and (last.segment, last.call) == (delta.segment, delta.call):
            self._untold[-1] = last._replace(text=last.text + delta.text)
        else:
            self._untold.append(delta)

    # ---- the sink of the reader ------------------------------------------------------------------

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
            self._tell(Delta("toolCall", delta, self._call))

    def end_call(self) -> None:
        assert self._tools is not None
        assert self._call is not None
        arguments, name = "".join(self._arguments), self._call["name"]
        self._tools.check_arguments(name, arguments)
        function = {"name": name, "arguments": arguments}
        self._calls.append({"id": self._call["id"], "type": "function", "function": function})
        self._call = None

    def typed(self, name: str, key: str, text: str) -> Any:
        assert self._tools is not None
        return self._tools.typed(name, key, text)

    # ---- what is told ----------------------------------------------------------------------------

    def untold(self) -> list[Delta]:
        """The pieces that have come since the last call."""
        untold, self._untold = self._untold, []
        return untold

    def result(self) -> dict[str, Any]:
        """The method's own members of the result."""
        return {"message": {"role": "assistant", "content": "".join(self._said["text"]), **self._besides()}}

    def partial(self) -> dict[str, Any]:
        """The same of what was not finished."""
        return {"text": "".join(self._said["text"]), **self._besides()}

    def _besides(self) -> dict[str, Any]:
        besides: dict[str, Any] = {}
        if self._said["reasoning"]:
            besides["reasoningContent"] = "".join(self._said["reasoning"])
        if self._calls:
            besides["toolCalls"] = self._calls
        return besides
