"""Reads tool calls that are written as in a programming language: name, bracket, arguments by name, bracket.

f(a='x', b=[1, True])                      LFM2
call:f{a:<|"|>x<|"|>,b:[1,true]}           Gemma 4
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from sidecar.core.output.calls.arguments import NO_ARGUMENTS, python_value, to_json
from sidecar.core.output.calls.tagged_calls import MAX_HEAD_CHARS, CallSink, NotACall
from sidecar.core.output.detokenizer import partial_match
from sidecar.message_handler.framing import parse_json

BETWEEN: Final = " \t\r\n,;"


class Literals(NamedTuple):
    """How names, arguments and texts are written."""

    before: str
    """Before the name."""
    open: str
    assign: str
    """Between an argument's name and its value."""
    close: str
    quotes: tuple[str, ...]
    """What a text stands between: the same at both ends."""
    listed: bool
    """The calls are in a list, even a single one."""
    escapes: bool
    """A backslash in a text belongs to the character after it."""
    bare_keys: bool
    """Names within objects have no quotes."""

    def written(self, name: str, arguments: dict[str, object]) -> str:
        """A call as the model writes it."""
        separator = "," if self.bare_keys else ", "
        parts = (f"{key}{self.assign}{self._literal(value)}" for key, value in arguments.items())
        call = f"{self.before}{name}{self.open}{separator.join(parts)}{self.close}"
        return f"[{call}]" if self.listed else call

    def _literal(self, value: object) -> str:
        if not self.bare_keys:
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, str):
            return f"{self.quotes[0]}{value}{self.quotes[0]}"
        if isinstance(value, dict):
            return f"{{{','.join(f'{key}:{self._literal(each)}' for key, each in value.items())}}}"
        return f"[{','.join(map(self._literal, value))}]" if isinstance(value, list) else json.dumps(value)


PYTHON: Final = Literals("", "(", "=", ")", ("'", '"'), listed=True, escapes=True, bare_keys=False)
GEMMA: Final = Literals("call:", "{", ":", "}", ('<|"|>',), listed=False, escapes=False, bare_keys=True)

_NAME: Final = re.compile(r"([\w.-]*)\s*")
_AFTER_TEXT: Final = re.compile(
    r"\s*(?:(,\s*[^\s=,()\[\]{}'\"]+\s*=)|(\)\s*[,\]])|(\)\s*\Z|\Z|,[^='\"()\[\]{}]{0,1000}\Z))"
)
"""What may follow a text that ends: a next argument, the end of the call, or what may still become one of them."""

_GEMMA_PART: Final = re.compile(
    r"""<\|"\|>(?P<text>.*?)<\|"\|>|(?P<before>[{,]\s*)(?P<key>[^\s{}\[\],:<"][^{}\[\],:<"]*):|(?P<word>\b(?:None|True|False)\b)""",
    re.DOTALL,
)
_WORDS: Final = {"None": "null", "True": "true", "False": "false"}


class LiteralCalls:
    """Reads the calls of one block, whose text comes in pieces."""

    def __init__(self, literals: Literals, end: str, sink: CallSink) -> None:
        self.name = ""
        self.count = 0
        """Calls that are complete."""
        self.begun = False
        """Whether a call has begun and has not ended."""
        self.rest = ""
        self.unread = ""
        """The text since the last call's end."""
        self.complete = False
        """No more text comes."""
        self._form = literals
        self._end = end
        self._sink = sink
        self._step: Callable[[], bool] | None = self._before_call
        self._key = ""
        self._keys: set[str] = set()
        self._scanned = self._depth = 0
        self._closed = False
        """Whether the list of calls has ended."""
        self._quote = ""
        """What ends the text that the scan is in."""

    def feed(self, text: str) -> str | None:
        """Add text. Returns the text after the calls, or None while they continue. Raises NotACall."""
        self.rest += text
        while self._step is not None and self._step():
            pass
        return self.rest if self._step is None else None

    # Each step consumes from `rest` what it can. It returns False if it needs more text.

    def _before_call(self) -> bool:
        begins = "[" if self._form.listed and not self.count else ""
        self.rest = self.rest.lstrip() if self._closed else self.rest.lstrip(BETWEEN + begins)
        if self.count and self._form.listed and not self._closed and self.rest.startswith("]"):
            self.rest, self._closed = self.rest[1:].lstrip(), True
        if not self.rest or (len(self.rest) < len(self._end) and self._end.startswith(self.rest)):
            return False
        if self.rest.startswith(self._end):
            if not self.count:
                raise NotACall("there is no call")
            self.rest, self._step = self.rest[len(self._end) :], None
            return True
        if self._closed:  # what follows the list is text, whatever it looks like
            self._step = None
            return True
        before = self._form.before
        if not self.rest.startswith(before):
            if before.startswith(self.rest):
                return False
            if self.count:
                self._step = None
                return True
            raise NotACall("the name is missing")
        return self._read_name(len(before))

    def _read_name(self, start: int) -> bool:
        name = _NAME.match(self.rest, start)
        assert name is not None
        if name.end() == len(self.rest) and name.end() < MAX_HEAD_CHARS:
            return False
        if not name[1] or not self.rest.startswith(self._form.open, name.end()):
            if not self.count:
                raise NotACall("the name is missing")
            self._step = None
            return True
        self.name, self.begun, self._keys = name[1], True, set()
        self.rest = self.rest[name.end() + len(self._form.open) :]
        self._sink.begin_call(self.name)
        self._step = self._before_key
        return True

    def _before_key(self) -> bool:
        self.rest = self.rest.lstrip(BETWEEN)
        if not self.rest:
            return False
        if self.rest.startswith(self._form.close):
            self.rest = self.rest[len(self._form.close) :]
            self._sink.add_arguments("}" if self._keys else NO_ARGUMENTS)
            self._sink.end_call()
            self.count, self.begun, self.unread = self.count + 1, False, self.rest
            self._step = self._before_call
            return True
        key, assign, rest = self.rest.partition(self._form.assign)
        if len(key) > MAX_HEAD_CHARS or any(bracket in key for bracket in "(){}[]"):
            raise NotACall("the name of an argument is missing")
        if not assign:
            return False
        for quote in self._form.quotes:
            key = key.strip().removeprefix(quote).removesuffix(quote)
        if key in self._keys:
            raise NotACall(f"the argument {key} is repeated")
        self._key, self.rest, self._step = key, rest, self._in_value
        self._scanned, self._depth, self._quote = 0, 0, ""
        return True

    def _in_value(self) -> bool:
        end = self._end_of_value()
        if end < 0:
            return False
        written, self.rest = self.rest[:end].strip(), self.rest[end:]
        value = self._value(written)
        before = ", " if self._keys else "{"
        self._keys.add(self._key)
        self._sink.add_arguments(f"{before}{to_json(self._key)}: {to_json(value)}")
        self._step = self._before_key
        return True

    def _end_of_value(self) -> int:
        """Where the value ends that `rest` begins with; -1 if more text is needed. It looks at each character once."""
        text, at = self.rest, self._scanned
        sure = len(text) - partial_match(text, self._form.quotes)
        while at < sure:
            if self._quote:
                at = self._in_text(text, at, sure)
                if at < 0:
                    return -1
                continue
            quote = next((quote for quote in self._form.quotes if text.startswith(quote, at)), "")
            if quote:
                self._quote, at = quote, at + len(quote)
                continue
            character = text[at]
            if not self._depth and (character == "," or text.startswith(self._form.close, at)):
                return at
            self._depth += (character in "[{(") - (character in "]})")
            if self._depth < 0:
                raise NotACall("a bracket is not open")
            at += 1
        self._scanned = at
        return -1

    def _in_text(self, text: str, at: int, sure: int) -> int:
        """The position behind the end of the text, or as far as it is known; -1 if more is needed to know."""
        while at < sure:
            if self._form.escapes and text[at] == "\\":
                if at + 1 >= sure:
                    break
                at += 2
                continue
            if not text.startswith(self._quote, at):
                at += 1
                continue
            end = at + len(self._quote)
            if self._form.escapes and not self._depth:  # some models write quotes in texts as they are
                after = _AFTER_TEXT.match(text, end)
                if after is None:
                    at = end
                    continue
                if after[3] is not None and not self.complete:
                    break
            self._quote = ""
            return end
        self._scanned = at
        return -1

    def _value(self, written: str) -> object:
        """The value of a literal. Raises NotACall."""
        quote = next((quote for quote in self._form.quotes if written.startswith(quote)), "")
        if quote and len(written) >= 2 * len(quote) and written.endswith(quote):
            text = written[len(quote) : -len(quote)]
            if not self._form.escapes:
                return text
            try:
                return python_value(written)
            except ValueError:  # it has quotes that are not escaped
                return text
        if quote:
            raise NotACall(f"the text of {self._key} contains {quote}, which the form cannot carry")
        if written[:1] not in ("[", "{"):
            return self._sink.parse_value(self.name, self._key, written, None)
        try:
            return _gemma_value(written) if self._form.bare_keys else _any_value(written)
        except ValueError as error:
            raise NotACall(f"the argument {self._key}: {error}") from None


def _any_value(written: str) -> object:
    """The value of a list or object in JSON or Python. Raises ValueError."""
    try:
        value: object = parse_json(written)
    except ValueError:
        value = python_value(written)
    return value


def _gemma_value(written: str) -> object:
    """The value of a list or object of Gemma 4. Raises ValueError."""

    def in_json(part: re.Match[str]) -> str:
        if part["text"] is not None:
            return json.dumps(part["text"])
        if part["word"] is not None:
            return _WORDS[part["word"]]
        return f"{part['before']}{json.dumps(part['key'].strip())}:"

    return parse_json(_GEMMA_PART.sub(in_json, written))
