"""Call parsers against themselves: generated calls, written by the shipped templates, are read back equal.

However the bytes are cut, the result is the same. A stream that ends anywhere gives the calls before its end, and
what comes after them is told: as text, or as an error. Broken streams give the same however they are cut, too.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from made_calls import ALL_MARKS, TOOLS, Call, Writer, made_calls, made_text, writers
from outcome import Outcome

from sidecar.core.output.calls.tools import Tools
from sidecar.core.output.detokenizer import Detokenizer
from sidecar.core.output.reply import Reply
from sidecar.message_handler.errors import SidecarError

CALLS_PER_FORM = 5_000
CUTS = 4
"""Ways in which each stream is cut, beside one byte at a time."""

ENDS = 4
"""Places at which each stream ends too early."""

MAX_FAULTS = 50
BARE = re.compile(r"[ \t\r\n]*(-?\d+(\.\d+)?(e[+-]?\d+)?|true|false|null|None|True|False)[ \t\r\n]*")
"""A text that looks like another JSON value, with the white space that may stand around one."""


@dataclass
class Read:
    """What a Reply made of a stream."""

    calls: list[Call] = field(default_factory=list)
    text: str = ""
    thought: str = ""
    reason: str = ""
    error: str = ""
    """The kind of the error that ended it."""

    def key(self) -> str:
        """The same for equal results. A broken call's text may be split differently from its error."""
        shown = "" if self.error else f"{self.text}|{self.thought}"
        return f"{_written(self.calls)}|{shown}|{self.reason}|{self.error}"


class Trial:
    """Tries calls of one writer."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.tools = Tools(TOOLS, "auto")
        self.opened = False
        """The prompt has begun the reasoning."""
        self.faults: list[str] = []
        self.read_back = 0
        """Messages whose calls came back equal."""
        self.refused = 0
        """Calls that the form cannot carry, and that end in a typed error."""

    def read(self, parts: list[bytes], reason: str = "stop") -> Read:
        reply = Reply(self.writer.reasoning, self.writer.form, self.tools, self.writer.headers)
        if self.writer.header:
            reply.feed(self.writer.header)
        if self.opened:
            reply.begin_reasoning()
        read, characters = Read(), Detokenizer([])
        deltas: dict[Any, str] = defaultdict(str)

        def take() -> None:
            for delta in reply.take_deltas():
                deltas[delta.segment, delta.call["index"] if delta.call else None] += delta.text

        try:
            for part in parts:
                reply.feed(characters.feed(part))
                take()
            reply.feed(characters.end())
            read.reason = reply.end(reason)
        except SidecarError as error:
            json.dumps(error.details, allow_nan=False).encode()
            read.error = error.kind
        take()
        message: Any = reply.result()["message"]
        read.text, read.thought = message["content"], message.get("reasoningContent", "")
        for index, call in enumerate(message.get("toolCalls", [])):
            function = call["function"]
            function["arguments"].encode()
            read.calls.append((function["name"], json.loads(function["arguments"], parse_constant=_refuse)))
            assert deltas["toolCall", index] == function["arguments"], "the deltas are not the arguments"
        assert deltas["text", None] == read.text, "the deltas are not the text"
        return read

    def try_one(self, chance: random.Random) -> None:
        """Make calls, write them, and read them back in every way."""
        writer, calls = self.writer, made_calls(chance, self.writer)
        text = chance.choice(("", "", "I look.", "x < y & <b>\nso"))
        thought = chance.choice(("", "Hm.", "I may call f.\nYes < no"))
        try:
            stream = writer.write(calls, text, thought)
        except Exception:  # a template may refuse what it cannot write
            if writer.template is None:
                raise
            return
        try:
            self._check(chance, calls, stream, (text, thought))
        except Exception as error:  # no other error may come from any stream
            self._fault(f"{type(error).__name__}: {error}", stream)

    def _check(self, chance: random.Random, calls: list[Call], stream: str, words: tuple[str, str]) -> None:
        """`words`: the text and the thought of the message."""
        data, self.opened = stream.encode("utf-8", "replace"), self.writer.opens(stream)
        whole = self.read([data])
        if whole.error:
            self.refused += 1
            marks = self.writer.marks if self.writer.form.tags or self.writer.form.literals else []
            if not any(mark and mark in value for mark in marks for value in _texts(calls)):
                self._fault(f"refused ({whole.error})", stream)
        elif _written(whole.calls) == _written(calls):
            self.read_back += 1
        elif not self._is_alike(whole, calls, words):
            self._fault(f"read {_written(whole.calls)} instead of {_written(calls)}", stream)
        self._check_cuts(chance, data, whole)
        for _ in range(ENDS):
            self._check_end(data[: chance.randrange(len(data) + 1)], whole)
        broken = _broken(chance, data, self.writer.marks or ALL_MARKS)
        self._check_cuts(chance, broken, self.read([broken]))

    def _is_alike(self, read: Read, calls: list[Call], words: tuple[str, str]) -> bool:
        """Whether the template writes both with the same bytes, so that nobody can tell them apart."""
        try:
            again = self.writer.write(self._bare_values(read.calls), read.text, read.thought)
            return again.strip() == self.writer.write(self._bare_values(calls), *words).strip()
        except Exception:
            return False

    def _bare_values(self, calls: list[Call]) -> list[Call]:
        """In elements within elements nothing tells a text that looks like a number, or null, from one."""
        tags = self.writer.form.tags
        if tags is None or not tags.nested:
            return calls
        return [(name, {key: _as_bare(value) for key, value in values.items()}) for name, values in calls]

    def _check_cuts(self, chance: random.Random, data: bytes, whole: Read) -> None:
        ways = [[data[at : at + 1] for at in range(len(data))]]
        for _ in range(CUTS):
            cuts = sorted(chance.choices(range(len(data) + 1), k=chance.randrange(1, 6)))
            ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
        for parts in ways:
            read = self.read(parts)
            if read.key() != whole.key():
                self._fault(
                    f"cut as {[len(part) for part in parts][:9]}: {read.key()} not {whole.key()}", data
                )

    def _check_end(self, data: bytes, whole: Read) -> None:
        """The stream ends early, by the model's will or by maxTokens."""
        for reason in ("stop", "length"):
            read = self.read([data], reason)
            if whole.error:
                continue
            count = len(read.calls)
            if _written(read.calls) != _written(whole.calls[:count]) and not data.endswith(b"<|message|>"):
                self._fault(f"ended early ({reason}): {_written(read.calls)}", data)
            if reason == "stop" and not read.error and count < len(whole.calls):
                self._check_told(data, read)

    def _check_told(self, data: bytes, read: Read) -> None:
        """All that is not in a call stands in the text."""
        start = self._end_of_calls(data, len(read.calls))
        header = "" if start else self.writer.header
        marks = [
            *self.writer.marks,
            *(self.writer.reasoning.marks if self.writer.reasoning else ()),
            "]",
            "<|message|>",
        ]
        marks += ["<|start|>assistant", "<|channel|>"]
        rest, shown = (
            _bare(text, marks)
            for text in (header + data[start:].decode("utf-8", "replace"), read.thought + read.text)
        )
        if not (shown.endswith(rest) or rest.startswith("commentary")):
            self._fault(f"silence: {rest!r} is not in {shown!r}", data)

    def _end_of_calls(self, data: bytes, count: int) -> int:
        """The first place where so many calls are complete."""
        if self.writer.form.tags:  # what follows may undo the end of a call
            each = (len(self.read([data[:at]]).calls) for at in range(len(data) + 1))
            return next(at for at, calls in enumerate(each) if calls == count)
        return bisect_left(
            range(len(data)), count, key=lambda at: len(self.read([data[:at]], "length").calls)
        )

    def _fault(self, what: str, stream: str | bytes) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(f"{self.writer.name}: {what}; stream: {stream!r}")


def _as_bare(value: Any, inner: bool = False) -> Any:
    """A value with numbers, true, false and null in place of the texts within it that look like one."""
    if isinstance(value, dict):
        return {key: _as_bare(each, True) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_bare(each, True) for each in value]
    if inner and isinstance(value, str) and BARE.fullmatch(value):
        bare = json.loads(value.lower().replace("none", "null"))
        return value if bare in (math.inf, -math.inf) else bare
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _written(calls: list[Call]) -> str:
    return json.dumps(calls, sort_keys=True)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return [text for each in inner for text in _texts(each)] if isinstance(inner, (list, tuple)) else []


def _bare(text: str, marks: list[str]) -> str:
    """The text without white space and marks."""
    pattern = "|".join(re.escape(mark) for mark in sorted(filter(None, marks), key=len, reverse=True))
    return re.sub(r"[\s,;]", "", re.sub(pattern, "", text))


def _broken(chance: random.Random, data: bytes, marks: list[str]) -> bytes:
    """The stream with something inserted, removed or repeated."""
    for _ in range(chance.randint(1, 3)):
        a, b = sorted(chance.choices(range(len(data) + 1), k=2))
        b = min(b, a + 12)
        new = chance.choice(
            (b"", data[a:b] * 2, chance.choice(marks).encode(), made_text(chance, marks).encode())
        )
        data = data[:a] + new + data[b:]
    return data


def run(seconds: float, seed: int) -> Outcome:
    """Try calls in all forms until the time or the count is reached."""
    outcome = Outcome()
    by_form = defaultdict(list)
    for writer in writers():
        by_form[writer.form].append(Trial(writer))
    end = time.monotonic() + seconds
    for number in range(CALLS_PER_FORM):
        for form_number, group in enumerate(by_form.values()):
            if time.monotonic() > end:
                break
            trial = group[number % len(group)]
            trial.try_one(random.Random(f"{seed} {form_number} {number}"))
            outcome.tried += 1
    every = [trial for group in by_form.values() for trial in group]
    outcome.faults = [fault for trial in every for fault in trial.faults]
    refused = sum(trial.refused for trial in every)
    outcome.figures = {
        "forms": str(len(by_form)),
        "templates": str(len(every)),
        "calls that a form cannot carry, refused": str(refused),
    }
    return outcome
