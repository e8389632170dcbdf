"""Parses tool calls while the model generates them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sidecar.core.output.calls.arguments import NO_ARGUMENTS, object_text, string_value
from sidecar.core.output.calls.call_forms import CallForm
from sidecar.core.output.calls.literal_calls import LiteralCalls
from sidecar.core.output.calls.tagged_calls import MAX_HEAD_CHARS, CallSink, NotACall, TaggedCalls, WrongCall
from sidecar.core.output.detokenizer import partial_match

BETWEEN: Final = " \t\r\n,;"
"""Characters that may stand between two calls."""

_KEY = re.compile(r'("(?:[^"\\]|\\.)*")\s*:\s*(?=\S)', re.DOTALL)
_NAME = re.compile(r"[\w.-]+")
_WORDS = re.compile(r"\S\s+\S")
_STRUCTURE = re.compile(r'["\\{}\[\]]')


class CallReader:
    """Reads one call or several adjacent calls. The text begins after the form's `start`; a `bare` call has none."""

    def __init__(self, form: CallForm, sink: CallSink, *, bare: bool = False) -> None:
        self._form = form
        self._sink = sink
        self._rest = ""
        self._step: Callable[[], bool] | None = self._before
        self._count = 0
        self._tagged: TaggedCalls | LiteralCalls | None = None
        """What reads calls that are not JSON."""
        if form.tags is not None:
            self._tagged = TaggedCalls(form.tags, form.end, sink, bare)
        elif form.literals is not None:
            self._tagged = LiteralCalls(form.literals, form.end, sink)
        self._value = JsonValue()
        self._key = ""
        self._name: str | None = None
        self._early = ""
        """Arguments that came before the name, or that are not reported yet."""
        self._has_arguments = False
        self._begun = False
        self.unread = ""
        """The text since the last call's end. If no call begins in it, it is text."""

    @property
    def name(self) -> str:
        """The name of the call that has begun; empty if none has."""
        return (self._name or "") if self._begun else self._tagged.name if self._tagged is not None else ""

    @property
    def begun(self) -> bool:
        """Whether a call has begun and has not ended."""
        return self._begun or (self._tagged is not None and self._tagged.begun)

    @property
    def count(self) -> int:
        """Calls that have ended."""
        return self._count + (self._tagged.count if self._tagged is not None else 0)

    def feed(self, text: str) -> str | None:
        """Add text. Returns the text after the calls, or None while they continue.

        Raises NotACall; SidecarError from the sink.
        """
        self._rest += text
        self.unread += text
        while self._step is not None and self._step():
            pass
        return self._rest if self._step is None else None

    def end(self) -> str | None:
        """Read what is certain now that no more text comes. Returns and raises as `feed` does."""
        if self._tagged is not None and self._step == self._in_tags:
            self._tagged.complete = True
        return self.feed("")

    # Each step consumes from `_rest` what it can. It returns True after it has set the next `_step`,
    # and False if it needs more text.

    def _before(self) -> bool:
        """Before a call: an object or a name begins it. The form's end, or other text, ends the calls."""
        self._rest = self._rest.lstrip(BETWEEN if self._count else BETWEEN + "[")
        if self._form.lead and not self._count:
            if self._form.lead.startswith(self._rest):
                return False
            self._rest = self._rest.removeprefix(self._form.lead).lstrip(BETWEEN + "[")
        end = self._form.end
        if not self._rest or (end.startswith(self._rest) and len(self._rest) < len(end)):
            return False
        if end and self._rest.startswith(end) and (self._count or self._tagged is None):
            if not self._count:
                raise NotACall("there is no call")
            self._rest, self._step = self._rest[len(end) :], None
        elif self._rest[0] == "]" and self._count:
            self._rest = self._rest[1:]
        elif self._form.separator and not self._count:
            self._step = self._before_separator
        elif self._rest[0] == "{" and not self._form.separator:
            self._rest = self._rest[1:]
            self._name, self._early, self._has_arguments = None, "", False
            self._step = self._before_key
        elif self._tagged is not None and not self._count:
            self._step = self._in_tags
        elif self._count:
            self._step = None
        else:
            raise NotACall("there is no JSON object")
        return True

    def _in_tags(self) -> bool:
        assert self._tagged is not None
        fresh, self._rest = self._rest, ""
        count = self._tagged.count
        try:
            rest = self._tagged.feed(fresh)
        finally:  # a call may end before what follows it turns out to be none
            if self._tagged.count > count:
                self.unread = self._tagged.unread
        if rest is None:
            return False
        self._rest, self._step = rest, None
        return True

    def _before_separator(self) -> bool:
        """The name in front of a separator. A number or an id may stand between them."""
        head, separator, tail = self._rest.partition(self._form.separator)
        if not separator:
            head = head[: len(head) - partial_match(head, [self._form.separator])]
        prefix = self._form.prefix
        before, found, after = head.partition(prefix) if prefix else ("", "", "")
        has_id = prefix.startswith("<") and _NAME.fullmatch(before) is not None
        named = after if found and (has_id or not before) else head
        name = _NAME.match(named)
        unnamed = bool(named) and name is None and not prefix.startswith(head)
        if unnamed or _WORDS.search(head) or len(head) > MAX_HEAD_CHARS:
            raise NotACall("the name is missing")
        if self._form.separator == "\n" and separator and name and not self._sink.has_tool(name[0]):
            raise NotACall("there is no such tool")  # any word before a line's end would be one
        tail = tail.lstrip()
        none = bool(self._form.end) and tail.startswith(self._form.end)
        if name is None or not separator or (not none and self._form.end.startswith(tail)):
            return False
        self._name, self._rest, self._early, self._has_arguments = name[0], tail, "", False
        if none:
            self._end_call()
        else:
            self._key, self._value, self._step = self._form.arguments, JsonValue(), self._in_value
        return True

    def _before_key(self) -> bool:
        self._rest = self._rest.lstrip(" \t\r\n,")
        if not self._rest:
            return False
        if self._rest[0] == "}":
            self._rest = self._rest[1:]
            self._end_call()
            return True
        match = _KEY.match(self._rest)
        if match is None:
            if self._rest[0] != '"' or len(self._rest) > MAX_HEAD_CHARS:
                raise NotACall("it is not a JSON object")
            return False
        self._key, self._rest = _string(match[1]), self._rest[match.end() :]
        if self._form.keyed and self._name is None:
            self._name, self._key = self._key, self._form.arguments
        self._value, self._step = JsonValue(), self._in_value
        return True

    def _in_value(self) -> bool:
        length = self._value.scan(self._rest)
        piece, self._rest = self._rest[:length], self._rest[length:]
        is_arguments = self._key in (self._form.arguments, "arguments", "parameters")
        if is_arguments and self._value.kind == "{":
            self._has_arguments = True
            self._early += piece
            self._report_arguments()
        else:
            self._value.text += piece
        if not self._value.ended:
            return False
        if is_arguments and self._value.kind != "{":
            self._has_arguments = True
            try:
                self._early += object_text(self._value.text)
            except ValueError as error:
                raise NotACall(str(error)) from None
            self._report_arguments()
        elif self._key == self._form.name:
            if self._name is not None:
                raise NotACall("the name is repeated")
            self._name = _string(self._value.text.strip())
            self._report_arguments()
        if self._form.separator:
            self._end_call()
        else:
            self._step = self._before_key
        return True

    def _report_arguments(self) -> None:
        if self._name is None or not self._has_arguments:
            return
        if not self._begun:
            self._begun = True
            self._sink.begin_call(self._name)
        self._sink.add_arguments(self._early)
        self._early = ""

    def _end_call(self) -> None:
        if self._name is None or (not self._has_arguments and not self._form.start):
            problem = f"the {'name is' if self._name is None else 'arguments are'} missing"
            raise (WrongCall if self._form.start else NotACall)(problem)
        if not self._has_arguments:
            self._has_arguments, self._early = True, NO_ARGUMENTS
        self._report_arguments()
        self._sink.end_call()
        self._count, self._begun, self.unread = self._count + 1, False, self._rest
        self._step = self._before


class JsonValue:
    """Finds the end of a JSON value whose text comes in pieces."""

    def __init__(self) -> None:
        self.kind = ""
        """Its first character."""
        self.text = ""
        self.ended = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def scan(self, text: str) -> int:
        """How many characters of the text belong to the value."""
        if not self.kind and text:
            self.kind = text[0]
        if self.kind not in ('"', "{", "["):
            end = re.search(r"[,}\]\s]", text)
            self.ended = end is not None
            return end.start() if end else len(text)
        at = 0
        while at < len(text):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            match = _STRUCTURE.search(text, at)
            if match is None:
                return len(text)
            at = match.end()
            self._track(match[0])
            if self.ended:
                return at
        return at

    def _track(self, character: str) -> None:
        if self._in_string:
            self._escaped = character == "\\"
            self._in_string = character != '"'
        elif character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
        self.ended = not self._in_string and self._depth <= 0


def _string(literal: str) -> str:
    """The value of a JSON string. Raises NotACall if it is not one."""
    try:
        return string_value(literal)
    except ValueError:
        raise NotACall("it is not a JSON string") from None
