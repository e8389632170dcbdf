"""Splits what a model says at the marks of reasoning and of tool calls.

A mark may be cut into several tokens: text at the end that may become a mark is held back until this is
known. White space around a mark belongs to the mark, not to a segment. A mark of calls without a call after it is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from sidecar.core.output.calls.call_forms import CallForm
from sidecar.core.output.calls.call_reader import BETWEEN, CallReader
from sidecar.core.output.calls.tagged_calls import NotACall, WrongCall
from sidecar.core.output.calls.tools import bad_arguments
from sidecar.core.output.detokenizer import partial_match
from sidecar.core.output.reasoning import ReasoningMarks
from sidecar.core.output.segments import OutputSink, Segment, Splitter

QUOTES: Final = "`'\"‘“„«"
"""What stands before a mark that a text only mentions."""

Mark = Literal["text", "reasoning", "call", "bareCall", "mention", "strayEnd", "strayTag"]
"""What a mark means: the segment that it begins; a call; the start of reasoning in the middle of the text; the end
of reasoning that was not begun; the end of a call's value after the call."""


class MarkSplitter(Splitter):
    """The splitter for all models except those that write channels."""

    def __init__(
        self,
        sink: OutputSink,
        reasoning: ReasoningMarks | None,
        form: CallForm | None,
        headers: Sequence[str] = (),
    ) -> None:
        """`headers`: marks that are left out, wherever they stand."""
        super().__init__(sink)
        self._headers: dict[str, Mark] = dict.fromkeys(headers, "text")
        self._reasoning = reasoning
        self._form = form
        self._reader: CallReader | None = None
        self._opening = ""
        """The white space and the mark before the reader's text. They are text, too, if it is not a call."""
        self._marked = True
        """Whether a mark stands before the reader's text."""
        self._segment: Segment = "text"
        self._trim = False
        self._last = " "
        """The last character that was written."""
        self._mentions_reasoning = False
        """The text contains the mark that begins reasoning, so the one that ends it is text, too."""

    def begin_reasoning(self) -> None:
        self._segment, self._trim = "reasoning", True

    @property
    def in_reasoning(self) -> bool:
        return self._segment == "reasoning"

    def _call_text(self) -> str | None:
        return None if self._reader is None else self._reader.unread

    def end(self, *, complete: bool) -> None:
        while self._reader is not None:
            reader = self._reader
            self._read("", last=complete)
            if self._reader is reader:
                if not reader.begun:
                    self._not_a_call(reader)
                self._reader = None
            self.feed("")
        held, self._held = self._held, ""
        self._write(held)

    def _advance(self) -> bool:
        if self._reader is not None:
            fresh, self._held = self._held, ""
            return self._read(fresh)
        if self._may_begin_unmarked_call and self._held.lstrip().startswith("{"):
            self._start_reader("", marked=False)
            return True
        marks = self._active_marks()
        if self._write_beginning(marks):
            return True
        found = [(at, -len(mark), mark) for mark in marks if (at := self._held.find(mark)) >= 0]
        if found:
            at, _, mark = min(found)
            if any(len(longer) > len(mark) and longer.startswith(self._held[at:]) for longer in marks):
                return False
            before, self._held = self._held[:at], self._held[at + len(mark) :]
            self._enter(mark, marks[mark], before)
            return True
        certain = len(self._held) - self._uncertain_length(marks)
        certain_text, self._held = self._held[:certain], self._held[certain:]
        self._write(certain_text)
        return False

    def _write_beginning(self, marks: dict[str, Mark]) -> bool:
        """Write the first character of the text if no mark begins there. Other marks count from then on."""
        if self._reasoning is None or self._segment != "text" or self._sink.has("text"):
            return False
        rest = self._held.lstrip()
        if not rest or any(rest.startswith(mark) or mark.startswith(rest) for mark in marks):
            return False
        first = len(self._held) - len(rest) + 1
        text, self._held = self._held[:first], self._held[first:]
        self._write(text)
        return True

    # ---- calls -----------------------------------------------------------------------------------

    def _start_reader(self, opening: str, *, marked: bool) -> None:
        assert self._form is not None
        bare = not marked and bool(self._form.start)
        self._reader, self._opening, self._marked = (
            CallReader(self._form, self._sink, bare=bare),
            opening,
            marked,
        )

    def _read(self, text: str, *, last: bool = False) -> bool:
        """Feed the reader. Returns whether text is left for others."""
        reader = self._reader
        assert reader is not None
        try:
            rest = reader.end() if last else reader.feed(text)
        except NotACall as error:
            if reader.begun or isinstance(error, WrongCall):
                raise bad_arguments(reader.name, reader.unread, str(error)) from None
            self._not_a_call(reader)
            return True
        if rest is None:
            return False
        self._reader, self._held, self._trim = None, rest, True
        return True

    def _not_a_call(self, reader: CallReader) -> None:
        """What looked like the beginning of a call is text. The rest of it may contain marks."""
        self._reader, unread = None, reader.unread
        if reader.count:  # calls came before it
            unread = unread.lstrip(f"{BETWEEN}]")
        elif self._marked:
            self._write(self._opening)
        else:  # its first character is what looked like the beginning
            first = len(unread) - len(unread.lstrip()) + 1
            self._write(self._opening + unread[:first])
            unread = unread[first:]
        self._held = unread + self._held

    @property
    def _may_begin_unmarked_call(self) -> bool:
        """Whether a call without a start mark may begin here: only before all text and all calls."""
        if self._form is None or self._form.start or self._segment != "text":
            return False
        return not (self._sink.has("text") or self._sink.last_call)

    # ---- marks -----------------------------------------------------------------------------------

    def _active_marks(self) -> dict[str, Mark]:
        """The marks that count at this point."""
        marks: dict[str, Mark] = {}
        if self._reasoning is not None:
            self._add_reasoning_marks(marks, self._reasoning)
        marks.update(self._headers)
        form = self._form
        if form is not None and form.start and not self.in_reasoning:
            marks.update(dict.fromkeys(form.around, "text"))
            if form.tags is not None:
                if form.tags.call[0]:
                    marks[form.tags.call[0]] = "bareCall"
                if self._sink.last_call:
                    marks[form.tags.value[1]] = "strayTag"
            marks[form.start] = "call"
        return marks

    def _add_reasoning_marks(self, marks: dict[str, Mark], reasoning: ReasoningMarks) -> None:
        has_text = self._sink.has("text")
        if self.in_reasoning:
            marks[reasoning.end] = "text"
            return
        marks[reasoning.start] = "mention" if has_text else "reasoning"
        if not has_text:
            marks[reasoning.end] = "strayEnd"
        elif not (self._mentions_reasoning or self._sink.has("reasoning")):
            marks[f"\n{reasoning.end}"] = marks[f"{reasoning.end}\n"] = "strayEnd"

    def _enter(self, mark: str, meaning: Mark, before: str) -> None:
        """Go on after a mark. `before` is the text in front of it."""
        text = before.rstrip()
        self._write(text)
        space = before[len(text) :]
        # A text that quotes a mark speaks of it: no grammar holds what follows.
        is_quoted = not space and self._last in QUOTES
        self._opened |= meaning in ("call", "bareCall") and not is_quoted
        if meaning == "call":
            self._start_reader(space + mark, marked=True)
        elif meaning == "bareCall":
            self._held = mark + self._held
            self._start_reader(space, marked=False)
        elif meaning == "mention":
            self._mentions_reasoning = True
            self._write(space + mark)
        elif meaning == "strayTag":
            raise bad_arguments(
                self._sink.last_call, mark, f"a value contains {mark}, which the form cannot carry"
            )
        elif meaning == "strayEnd" and self._sink.has("text"):  # only the mark itself goes
            assert self._reasoning is not None
            self._held = space + mark.replace(self._reasoning.end, "") + self._held
        else:
            self._trim = True
            self._segment = "reasoning" if meaning == "reasoning" else "text"
            if meaning == "reasoning" and self._sink.has("reasoning"):
                self._sink.write("reasoning", "\n")

    def _uncertain_length(self, marks: dict[str, Mark]) -> int:
        """Length of the end to hold back: the beginning of a mark, and the white space before it."""
        if self._may_begin_unmarked_call and self._held.isspace():
            return len(self._held)
        if not marks:
            return 0
        held = self._held
        certain = held[: len(held) - partial_match(held, marks)]
        return len(held) - len(certain.rstrip())

    def _write(self, text: str) -> None:
        if self._trim:
            text = text.lstrip()
        if text:
            self._trim, self._last = False, text[-1]
            self._sink.write(self._segment, text)
