"""Whatever the grammar of a forced call allows is read as one call that fits, in every form."""

from __future__ import annotations

import random
from typing import Any

import pytest
from byte_model import END, MODEL, random_text

from sidecar.core.chat.tool_grammar import call_grammar
from sidecar.core.output.calls.call_forms import FORMS, HERMES, CallForm
from sidecar.core.output.calls.tools import Tools
from sidecar.core.output.reasoning import HARMONY
from sidecar.core.output.reply import Reply
from sidecar.core.structured_output.llguidance_schema import Options
from sidecar.message_handler.errors import SidecarError

NODE = {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"enum": [1, 2]}}}
WORD = {"type": "object", "properties": {"w": {"enum": ["a", "é"]}}, "required": ["w"]}


def tools(**parameters: Any) -> Tools:
    given: Any = [
        {"type": "function", "function": {"name": name, "parameters": schema}}
        for name, schema in parameters.items()
    ]
    return Tools(given, "required")


@pytest.mark.parametrize("form", [form for *_, form in FORMS], ids=lambda form: form.start or "bare")
def test_each_text_is_one_call(form: CallForm) -> None:
    asked, chance = tools(node=NODE, word=WORD), random.Random(1)
    matcher = call_grammar(MODEL, form, asked, Options()).matcher
    assert matcher is not None
    harmony = HARMONY if "<|channel|>" in form.start else None
    names = set()
    for _ in range(12):
        text = random_text(matcher, chance)
        assert text is not None
        reply = Reply(harmony, form, asked)
        reply.feed(text)
        assert reply.end("stop") == "toolCalls", text
        message: Any = reply.result()["message"]
        (call,) = message["toolCalls"]
        names.add(call["function"]["name"])
        assert "\n" not in call["function"]["arguments"]
    assert names == {"node", "word"}


def test_a_mark_that_is_a_control_token_is_that_token() -> None:
    form = CallForm("<call>", "")
    matcher = call_grammar(MODEL, form, tools(word=WORD), Options()).matcher
    assert matcher is not None
    assert matcher.allows(END + 1)
    assert not matcher.allows(ord("<"))


@pytest.mark.parametrize("beside", [{}, {"word": WORD}], ids=["alone", "beside another"])
def test_the_tool_that_is_at_fault_is_named(beside: dict[str, Any]) -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    with pytest.raises(SidecarError) as refused:
        call_grammar(MODEL, HERMES, tools(**beside, wrong=endless), Options())
    assert refused.value.kind == "unsatisfiableSchema"
    assert refused.value.details["pointer"] == f"/tools/{len(beside)}/function/parameters"


def test_parameters_that_contradict_each_other_are_found() -> None:
    empty = {
        "type": "object",
        "properties": {"a": {"minimum": 2, "maximum": 1, "type": "integer"}},
        "required": ["a"],
    }
    with pytest.raises(SidecarError) as refused:
        call_grammar(MODEL, HERMES, tools(wrong=empty), Options())
    assert refused.value.kind == "unsatisfiableSchema"
    assert refused.value.details["pointer"] == "/tools/0/function/parameters"


def test_many_large_tools_have_an_answer() -> None:
    many = {
        f"t{index}": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(500)}}
        for index in range(128)
    }
    with pytest.raises(SidecarError) as refused:
        call_grammar(MODEL, HERMES, tools(**many), Options())
    assert refused.value.kind == "schemaTooComplex"
