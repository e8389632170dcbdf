"""Reads tool calls that are written with tags around names and values instead of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Final, Protocol

from sidecar.core.output.calls.arguments import NO_ARGUMENTS, to_json
from sidecar.core.output.calls.elements import Element, element_of
from sidecar.core.output.calls.tag_forms import IS_STRING, KEY, Tags

MAX_HEAD_CHARS: Final = 1000
"""Longest name or key, in characters. A longer one is not a call."""

_NAME: Final = re.compile(r"[\w.-]+")


class NotACall(Exception):
    """The text is not a tool call."""


class WrongCall(NotACall):
    """The text is a call without a name."""


class CallSink(Protocol):
    """Receives the parts of each call, in order."""

    def has_tool(self, name: str) -> bool: ...
    def begin_call(self, name: str) -> None: ...
    def add_arguments(self, delta: str) -> None: ...
    def end_call(self) -> None: ...
    def parse_value(self, name: str, key: str, text: str, is_string: bool | None) -> object: ...
    def parse_element(self, name: str, key: str, element: Element) -> object: ...


class TaggedCalls:
    """Reads the calls of one block, whose text comes in pieces.

    A tag for the end of a value may also be part of the value: it counts only if a further tag follows. What a
    model writes in this form without an opening mark (`bare`) must be a whole call of a known tool.
    """

    def __init__(self, tags: Tags, end: str, sink: CallSink, bare: bool) -> None:
        self.name = ""
        self.count = 0
        """Calls that are complete."""
        self.begun = False
        """Whether a call has begun and has not ended."""
        self.rest = ""
        self.unread = ""
        """The text since the last call's end."""
        self._tags = tags
        self._end = end
        self._sink = sink
        self._bare = bare
        self._step: Callable[[], bool] | None = self._before_call
        self._key = ""
        self._is_string: bool | None = None
        self._scanned = 0
        self._keys: set[str] = set()
        self.complete = False
        """No more text comes."""

    def feed(self, text: str) -> str | None:
        """Add text. Returns the text after the calls, or None while they continue. Raises NotACall."""
        self.rest += text
        while self._step is not None and self._step():
            pass
        return self.rest if self._step is None else None

    # Each step consumes from `rest` what it can. It returns False if it needs more text.

    def _before_call(self) -> bool:
        start = self._tags.call[0]
        if not start and not self.count:
            if not self._tags.call[1]:
                return self._bare_name()
            self.name, self._step = "", self._in_name
            return True
        mark, at = self._expected(self.rest, [start, self._end])
        if mark is None:
            return False
        if mark and mark == start:
            self.name, self._step = "", self._in_name
        elif self.count:
            self._step = None
        else:
            raise NotACall("there is no call")
        self.rest = self.rest[at:]
        return True

    def _bare_name(self) -> bool:
        """A name without tags: the first key, or the end of the call, must follow it."""
        text = self.rest.lstrip()
        name = _NAME.match(text)
        if not text:
            return False
        if name is None or name.end() > MAX_HEAD_CHARS:
            raise NotACall("the name is missing")
        mark, _ = self._expected(text[name.end() :], [self._tags.key[0], self._end])
        if mark is None:
            return False
        if not mark:
            raise NotACall("the name is missing")
        self.rest = text[name.end() :]
        return self._begin(name[0])

    def _in_name(self) -> bool:
        name = self._until(self._tags.call[1])
        if name is None:
            return False
        name = name.partition('"')[0]  # other attributes may follow it
        if not self._bare:
            return self._begin(name.strip())
        if not self._sink.has_tool(name.strip()):
            raise NotACall("the name is not that of a tool")
        self.name, self._step = name.strip(), self._before_first_key
        return True

    def _before_first_key(self) -> bool:
        mark, _ = self._expected(self.rest, self._after_value)
        if mark is None:
            return False
        if not mark:
            raise NotACall("it has no arguments and no end")
        return self._begin(self.name)

    def _begin(self, name: str) -> bool:
        self.name, self.begun, self._keys = name, True, set()
        self._sink.begin_call(name)
        self._step = self._before_key
        return True

    @property
    def _after_value(self) -> list[str]:
        """The tags that may follow a value."""
        return [self._tags.call[2] or self._end, self._tags.key[0]]

    def _before_key(self) -> bool:
        mark, at = self._expected(self.rest, self._after_value)
        if mark is None:
            return False
        if not mark:
            raise NotACall(f"{self._after_value[0]} is missing")
        self.rest = self.rest[at:]
        if mark == self._tags.key[0]:
            self._step = self._in_key
            return True
        self._sink.add_arguments("}" if self._keys else NO_ARGUMENTS)
        self._sink.end_call()
        self.count, self.begun, self.unread = self.count + 1, False, self.rest
        self._step = self._before_call if self._tags.call[2] else None
        return True

    def _in_key(self) -> bool:
        key = self._until(self._tags.key[1])
        if key is None:
            return False
        self._key, self._step = (
            unescape(key.strip()) if self._tags.attributes else key.strip(),
            self._before_value,
        )
        if self._tags.value[1].removesuffix(">") in key or (self._tags.nested and "<" in key):
            raise NotACall(
                f"a value contains {self._tags.value[1].replace(KEY, '…')} and a key's tag, which the form cannot carry"
            )
        if self._key in self._keys:
            raise NotACall(f"the argument {self._key} is repeated")
        return True

    def _before_value(self) -> bool:
        between = self._until(self._tags.value[0])
        if between is None:
            return False
        self._is_string, self._scanned, self._step = IS_STRING.get(between.strip()), 0, self._in_value
        return True

    def _in_value(self) -> bool:
        if self._starts_quotes() is None:
            return False
        close = self._close
        at = self.rest.find(close, self._scanned)
        if at < 0:
            self._scanned = max(0, len(self.rest) - len(close))
            return False
        ends = self._ends_value(self.rest[at + len(close) :])
        if ends is None:
            self._scanned = at
            return False
        if not ends:
            self._scanned = at + len(close)
            return True
        if self._starts_quotes():
            self._is_string = True
        value = self.rest[:at].removeprefix(self._tags.quotes[0] if self._starts_quotes() else "")
        self.rest = self.rest[at + len(close) :]
        if self._tags.on_lines:
            value = value.removeprefix("\n").removesuffix("\n")
        self._add(value)
        self._step = self._before_key
        return True

    @property
    def _close(self) -> str:
        """What ends the current value."""
        quote = self._tags.quotes[1] if self._starts_quotes() else ""
        return quote + self._tags.value[1].replace(KEY, self._key)

    def _starts_quotes(self) -> bool | None:
        """Whether the value, which the rest of the text begins with, has quotes. None: it is not known yet."""
        quote = self._tags.quotes[0]
        if self.rest.startswith(quote):
            return bool(quote)
        return None if quote.startswith(self.rest) else False

    def _ends_value(self, after: str) -> bool | None:
        """Whether a value ends where this text follows. None: more text is needed to know."""
        mark, at = self._expected(after, self._after_value)
        if mark and mark == self._tags.call[2] and not self._bare and (self._tags.call[0] or self._end):
            mark, _ = self._expected(after[at:], [self._tags.call[0], self._end])
            if mark is None and self.complete:
                return True
        if mark and self._tags.nested and mark == self._tags.key[0]:  # another element's end begins so, too
            return None if at == len(after) else after[at] != "/"
        return None if mark is None else bool(mark)

    def _add(self, value: str) -> None:
        nested = self._tags.nested
        if nested:
            parsed = self._sink.parse_element(self.name, self._key, element_of(value, nested))
        else:
            parsed = self._sink.parse_value(self.name, self._key, value, self._is_string)
        before = ", " if self._keys else "{"
        self._keys.add(self._key)
        self._sink.add_arguments(f"{before}{to_json(self._key)}: {to_json(parsed)}")

    def _expected(self, text: str, marks: list[str]) -> tuple[str | None, int]:
        """The mark that comes next after white space, and the position after it. "": none does. None: unknown yet."""
        start = len(text) - len(text.lstrip())
        rest = text[start:]
        for mark in sorted(filter(None, marks), key=len, reverse=True):  # one may begin with another
            if rest.startswith(mark):
                return mark, start + len(mark)
            if mark.startswith(rest):
                return None, 0
        return "", 0

    def _until(self, mark: str) -> str | None:
        """Take the text before a mark, and the mark; None if the mark is not there yet. Raises NotACall."""
        before, found, after = self.rest.partition(mark) if mark else ("", "found", self.rest)
        if not found and len(before) > MAX_HEAD_CHARS:
            raise NotACall(f"{mark} is missing")
        if found:
            self.rest = after
        return before if found else None
