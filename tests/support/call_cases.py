"""What models write with and without calls, for each shipped template: cases that both we and llama.cpp read."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from made_calls import Call, Writer
from template_cases import ROOT

EXPECTED = ROOT / "tests" / "unit" / "core" / "output" / "calls" / "llama_cpp_calls.json"
"""Template → case → what llama.cpp makes of the text: MEANT, REFUSED, or a Reading."""

PLACE = {
    "type": "object",
    "properties": {"street": {"type": "string"}, "number": {"type": "integer"}},
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Does it.",
            "parameters": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "description": "Any."},
                    "count": {"type": "integer", "description": "Any."},
                    "ratio": {"type": "number", "description": "Any."},
                    "flag": {"type": "boolean", "description": "Any."},
                    "list": {"type": "array", "items": {"type": "string"}, "description": "Any."},
                    "place": {**PLACE, "description": "Any."},
                    "none": {"type": "null", "description": "Any."},
                },
            },
        },
    }
    for name in ("find", "save_all")
]


class Case(NamedTuple):
    """What a model means."""

    calls: list[Call]
    text: str = ""
    thought: str = ""
    after: str = ""
    """Text after the calls."""
    cut: bool = False
    """The text ends in the middle of its last call."""


MARKS = "its own marks"
"""Stands for marks of the writer's form."""

END_OF_CALLS = "<|eom_id|>"
"""What a template writes after calls, where another turn has another end."""

ONE: Call = ("find", {"text": "Oslo"})
CASES: dict[str, Case] = {
    "one": Case([ONE]),
    "several": Case([ONE, ("save_all", {"count": 2}), ("find", {"text": "Rome"})]),
    "no arguments": Case([("save_all", {})]),
    "a string": Case([("find", {"text": "Zürich, 日本 😀"})]),
    "an empty string": Case([("find", {"text": ""})]),
    "a string like a number": Case([("find", {"text": "12"})]),
    "an integer": Case([("find", {"count": -17})]),
    "a number": Case([("find", {"ratio": 2.5})]),
    "a boolean": Case([("find", {"flag": False})]),
    "null": Case([("find", {"none": None})]),
    "a list": Case([("find", {"list": ["a", "b c"]})]),
    "an empty list": Case([("find", {"list": []})]),
    "an object": Case([("find", {"place": {"street": "Main", "number": 5}})]),
    "all types": Case([("find", {"count": 1, "flag": True, "list": ["x"], "ratio": 0.5, "text": "t"})]),
    "newlines": Case([("find", {"text": "a\nb\n\nc"})]),
    "quotes": Case([("find", {"text": "say \"so\" and 'no'"})]),
    "braces": Case([("find", {"text": "{a} [b] (c) </x> <y>"})]),
    "backslashes": Case([("find", {"text": "C:\\new\\table"})]),
    "own marks": Case([("find", {"text": MARKS})]),
    "text before": Case([ONE], text="I look."),
    "text after": Case([ONE], after="\nDone."),
    "reasoning before": Case([ONE], thought="I may call find."),
    "reasoning and text before": Case([ONE], text="I look.", thought="Hm."),
    "cut off": Case([ONE, ("find", {"text": "Rome"})], cut=True),
}


def case_of(name: str, writer: Writer) -> Case:
    """A case with the marks of the writer's form in its place."""
    case = CASES[name]
    marks = f"a {writer.form.start} b {writer.form.end} c"
    filled = {key: marks if value == MARKS else value for key, value in case.calls[0][1].items()}
    return case._replace(calls=[(case.calls[0][0], filled), *case.calls[1:]])


def stream_of(writer: Writer, case: Case) -> str:
    """The text of a model that means this, without the end of its turn. Raises what the template raises.

    Raises ValueError if the template leaves out what the model says beside its calls.
    """
    written = writer.write(case.calls, case.text, case.thought, TOOLS)
    if not all(each in written for each in (case.text, case.thought, *(name for name, _ in case.calls))):
        raise ValueError("the template leaves it out")
    written = written.removesuffix(END_OF_CALLS)
    end = writer.turn_end if writer.template is not None else ""
    if end and written.rstrip().endswith(end):
        written = written.rstrip().removesuffix(end)
    written += case.after
    if (
        writer.template is not None and writer.begins_reasoning(TOOLS) and not writer.opens(written)
    ):  # the model ends it first
        assert writer.reasoning is not None
        written = f"{writer.reasoning.end}{written}"
    return written[: written.rindex("Rome") + 2] if case.cut else written


class Reading(NamedTuple):
    """What was read."""

    text: str
    thought: str
    calls: list[Call]


MEANT = "as meant"
REFUSED = "refused"


def meant(case: Case) -> Reading:
    """What should be read. A call that is cut off is left out."""
    text = "\n".join(filter(None, [case.text, case.after.strip()]))
    return Reading(text, case.thought, case.calls[:-1] if case.cut else case.calls)


def written(reading: Reading) -> str:
    """The same for equal readings."""
    return json.dumps(reading, sort_keys=True)


def expected() -> dict[str, dict[str, Any]]:
    """EXPECTED's content."""
    table: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return table
