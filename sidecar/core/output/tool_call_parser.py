"""Parses tool calls while the model generates them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, Protocol

from sidecar.core.output.tags import MissingTag, tagged_calls
from sidecar.core.output.tool_formats import CallForm

MAX_HEAD_CHARS: Final = 1000
"""Longest name or key, in characters. A longer one is not a call."""

BETWEEN: Final = " \t\r\n,;"
"""Characters that may stand between two calls."""

_KEY = re.compile(r'("(?:[^"\\]|\\.)*")\s*:\s*(?=\S)', re.DOTALL)
_NAME = re.compile(r"[\w.-]+")
_STRUCTURE = re.compile(r'["\\{}\[\]]')


class NotACall(Exception):
    """The text is not a tool call."""


class CallSink(Protocol):
    """Receives the parts of each call, in order."""

    def begin_call(self, name: str) -> None: ...
    def add_arguments(self, delta: str) -> None: ...
    def end_call(self) -> None: ...
    def parse_value(self, name: str, key: str, text: str) -> object: ...


class CallReader:
    """Reads one call or several adjacent calls. The text begins after the form's `start`."""

    def __init__(self, form: CallForm, sink: CallSink) -> None:
        self._form = form
        self._sink = sink
        self._rest = ""
        self._step: Callable[[], bool] | None = self._before
        self._count = 0
        self._scanned = 0
        self._value = _Value()
        self._key = ""
        self._name: str | None = None
        self._early = ""
        """Arguments that came before the name, or that are not reported yet."""
        self._has_arguments = False
        self._begun = False

    def feed(self, text: str) -> str | None:
        """Add text. Returns the text after the calls, or None while they continue. Raises NotACall."""
        self._rest += text
        while self._step is not None and self._step():
            pass
        return self._rest if self._step is None else None

    # Each step consumes from `_rest` what it can. It returns True after it has set the next `_step`,
    # and False if it needs more text.

    def _before(self) -> bool:
        """Before a call: an object or a name begins it. The form's end, or other text, ends the calls."""
        self._rest = self._rest.lstrip(BETWEEN if self._count else BETWEEN + "[")
        end = self._form.end
        if not self._rest or (end.startswith(self._rest) and len(self._rest) < len(end)):
            return False
        if end and self._rest.startswith(end):
            if not self._count:
                raise NotACall("there is no call")
            self._rest, self._step = self._rest[len(end) :], None
        elif self._rest[0] == "]" and self._count:
            self._rest = self._rest[1:]
        elif self._form.separator and not self._count:
            self._step = self._before_separator
        elif self._rest[0] == "{":
            self._rest = self._rest[1:]
            self._name, self._early, self._has_arguments, self._begun = None, "", False, False
            self._step = self._before_key
        elif self._form.tags is not None and not self._count:
            self._step = self._in_tags
        elif self._count:
            self._step = None
        else:
            raise NotACall("there is no JSON object")
        return True

    def _in_tags(self) -> bool:
        """Calls in tags are read when they are complete."""
        form = self._form
        assert form.tags is not None
        at = self._rest.find(form.end, self._scanned)
        if at < 0:
            self._scanned = max(0, len(self._rest) - len(form.end))
            return False
        block, self._rest, self._step = self._rest[:at], self._rest[at + len(form.end) :], None
        try:
            for name, arguments in tagged_calls(block, form.tags):
                self._sink.begin_call(name)
                values = {key: self._sink.parse_value(name, key, text) for key, text in arguments}
                self._sink.add_arguments(json.dumps(values, ensure_ascii=False))
                self._sink.end_call()
                self._count += 1
        except MissingTag as error:
            raise NotACall(str(error)) from None
        if not self._count:
            raise NotACall("there is no call")
        return True

    def _before_separator(self) -> bool:
        """The name in front of a separator. Other text before the separator is ignored."""
        head, separator, tail = self._rest.partition(self._form.separator)
        if not separator:
            if len(head) > MAX_HEAD_CHARS:
                raise NotACall("the arguments are missing")
            return False
        if not tail.strip():
            return False
        name = _NAME.match(head.strip())
        self._name, self._rest = name[0] if name else head.strip(), tail.lstrip()
        self._key, self._value, self._step = self._form.arguments, _Value(), self._in_value
        self._early, self._has_arguments, self._begun = "", False, False
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
        self._key, self._rest = _string_value(match[1]), self._rest[match.end() :]
        self._value, self._step = _Value(), self._in_value
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
        if is_arguments and self._value.kind != "{":  # a string that contains JSON, or a wrong type
            self._has_arguments = True
            kept = self._value.text.strip()
            self._early = _string_value(kept) if kept.startswith('"') else kept
            self._report_arguments()
        elif self._key == self._form.name:
            self._name = _string_value(self._value.text.strip())
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
            raise NotACall(f"the {'name is' if self._name is None else 'arguments are'} missing")
        if not self._has_arguments:
            self._has_arguments, self._early = True, "{}"
        self._report_arguments()
        self._sink.end_call()
        self._count += 1
        self._step = self._before


class _Value:
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


def _string_value(literal: str) -> str:
    """The value of a JSON string. Raises NotACall if it is not one."""
    try:
        value = json.loads(literal, strict=False)
    except ValueError as error:
        raise NotACall("it is not a JSON string") from error
    if not isinstance(value, str):
        raise NotACall("it is not a JSON string")
    return value
