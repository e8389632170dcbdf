"""Whatever follows the mark of a call is read as calls that fit, in every form that has a mark."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from byte_model import END, MODEL, accepts, random_text
from made_streams import TOOLS, pieces

from sidecar.core.chat import optional_calls as module
from sidecar.core.chat.optional_calls import optional_calls
from sidecar.core.output.calls.call_forms import FORMS, HERMES, CallForm
from sidecar.core.output.calls.tag_forms import DSML, FUNCTION, INVOKE, PAIRS
from sidecar.core.output.calls.tools import Tools
from sidecar.core.output.reasoning import HARMONY
from sidecar.core.output.reply import Reply
from sidecar.core.structured_output import json_schema
from sidecar.core.structured_output.llguidance_schema import Options

MARKED = [form for *_, form in FORMS if form.start and not form.loose]
NODE = {
    "type": "object",
    "properties": {
        "n": {"$ref": "#/$defs/n"},
        "inner": {"type": "object", "properties": {"deep": {"type": "boolean"}}},
        "flag": {"type": "boolean"},
    },
    "required": ["n"],
    "$defs": {"n": {"enum": [1, 2]}},
}
WORD = {
    "type": "object",
    "properties": {
        "w": {"enum": ["a", "é"]},
        "free": {"type": "string", "maxLength": 5},
        "k": {"const": "x"},
    },
    "required": ["w"],
}


def without(schema: Any, name: str) -> Any:
    return {
        **schema,
        "properties": {key: value for key, value in schema["properties"].items() if key != name},
    }


def tools(**parameters: Any) -> Tools:
    given: Any = [
        {"type": "function", "function": {"name": name, "parameters": schema}}
        for name, schema in parameters.items()
    ]
    return Tools(given, "auto")


def matcher_of(form: CallForm, asked: Tools, told: list[str]) -> Any:
    promised = optional_calls(MODEL, form, asked, Options(), told.append)
    assert promised is not None
    matcher = promised.copy()
    assert matcher is not None
    return matcher


def read(form: CallForm, asked: Tools, text: str) -> list[Any]:
    """The calls that a reply finds in an answer."""
    harmony = form.separator == module.HEADER[-1]
    reply = Reply(HARMONY if harmony else None, form, asked)
    reply.feed(f"Well. {form.start}" if not harmony else form.start)
    assert reply.take_call() == ""
    reply.feed(text)
    assert reply.take_call() is None
    assert reply.end("stop") == "toolCalls", text
    message: Any = reply.result()["message"]
    assert message["content"] == ("" if harmony else "Well."), text
    return [call["function"] for call in message["toolCalls"]]


@pytest.mark.parametrize("form", MARKED, ids=lambda form: form.start + form.separator)
def test_each_text_after_the_mark_is_calls_that_fit(form: CallForm) -> None:
    word = WORD if form.tags is None else without(WORD, "free")  # chance would not end it
    asked, chance, told = tools(node=NODE, word=word), random.Random(1), []
    matcher, names = matcher_of(form, asked, told), set()
    for _ in range(12):
        text = random_text(matcher, chance)
        assert text is not None
        names |= {call["name"] for call in read(form, asked, text)}
    assert names == {"node", "word"}
    assert told == []


def form_of(start: str, separator: str = "", tags: Any = None) -> CallForm:
    found = (f for f in MARKED if (f.start, f.separator, f.tags) == (start, separator, tags))
    return next(found)


WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city"],
}
QWEN = form_of("<tool_call>", tags=FUNCTION)
GLM = form_of("<tool_call>", tags=PAIRS)
MINIMAX = form_of("<minimax:tool_call>", tags=INVOKE)
DEEPSEEK = form_of("<｜DSML｜tool_calls>", tags=DSML)
KIMI = form_of("<|tool_call_begin|>", "<|tool_call_argument_begin|>")
MISTRAL = form_of("[TOOL_CALLS]", "[ARGS]")
HARMONY_FORM = form_of("<|channel|>commentary to=", "<|message|>")
OSLO = '{"city": "Oslo", "days": 3}'


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (HERMES, f'\n{{"name": "weather", "arguments": {OSLO}}}\n</tool_call>'),
        (QWEN, "\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
         "</function>\n</tool_call>"),
        (GLM, "weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n"
         "<arg_value>3</arg_value>\n</tool_call>"),
        (MINIMAX, '\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n<parameter name="days">3'
         "</parameter>\n</invoke>\n</minimax:tool_call>"),
        (DEEPSEEK, '\n<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="true">Oslo'
         '</｜DSML｜parameter>\n<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n'
         "</｜DSML｜invoke>\n</｜DSML｜tool_calls>"),
        (KIMI, f"functions.weather:0<|tool_call_argument_begin|>{OSLO}<|tool_call_end|>"),
        (MISTRAL, f"weather[ARGS]{OSLO}"),
        (MISTRAL, f"weather[CALL_ID]aB3dE5fG7[ARGS]{OSLO}"),
        (HARMONY_FORM, f"functions.weather <|constrain|>json<|message|>{OSLO}"),
        (HARMONY_FORM, f"functions.weather<|channel|>commentary json<|message|>{OSLO}"),
        (HARMONY_FORM, f"weather<|message|>{OSLO}"),
    ],
)  # fmt: skip
def test_a_call_as_models_write_it_is_allowed(form: CallForm, text: str) -> None:
    asked = tools(weather=WEATHER, time={"type": "object"})
    assert accepts(matcher_of(form, asked, []), text)
    (call,) = read(form, asked, text)
    assert (call["name"], json.loads(call["arguments"])) == ("weather", json.loads(OSLO))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (HERMES, '\n{"name": "nope'),
        (HERMES, '\n{"name": "weather", "arguments": {"days"'),
        (HERMES, '\n{"name": "weather", "arguments": {"city": 4'),
        (QWEN, "\n<function=nope"),
        (QWEN, "\n<function=weather>\n<parameter=days"),
        (QWEN, "\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=nope"),
        (QWEN, "\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\nthree"),
        (QWEN, "\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=unit>\nK"),
        (GLM, "weather\n<arg_key>days"),
        (DEEPSEEK, '\n<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="false'),
        (KIMI, "functions.nope"),
        (HARMONY_FORM, 'functions.weather<|message|>{"d'),
    ],
)
def test_what_does_not_fit_is_not_allowed(form: CallForm, text: str) -> None:
    matcher = matcher_of(form, tools(weather=WEATHER, time={"type": "object"}), [])
    assert matcher.copy().follow(text[:4])
    assert not matcher.follow(text)


def test_a_text_between_tags_is_free_up_to_the_closing_tag() -> None:
    free = '\n<b>a</b> </param> "\\\n\n'
    matcher = matcher_of(QWEN, tools(weather=WEATHER), [])
    assert accepts(matcher, f"<function=weather><parameter=city>{free}</parameter></function></tool_call>")


def test_a_closing_tag_with_a_control_token_ends_a_text() -> None:
    form = CallForm("<calls>", "<end>", tags=FUNCTION._replace(value=("", "</<call>p>")))
    matcher = matcher_of(form, tools(weather={**WEATHER, "required": []}), [])
    assert matcher.follow("<function=weather><parameter=city>a</b</")
    assert matcher.allows(END + 1)
    matcher.consume(END + 1)
    assert matcher.follow("p></function><end>")


def test_several_calls_of_one_block_are_allowed() -> None:
    one = "<function=weather><parameter=city>Oslo</parameter></function>"
    assert accepts(matcher_of(QWEN, tools(weather=WEATHER), []), f"\n{one}\n{one}\n</tool_call>")
    listed = form_of("<TOOLCALL>")
    call = '{"name": "weather", "arguments": {"city": "Oslo"}}'
    assert accepts(matcher_of(listed, tools(weather=WEATHER), []), f"[{call}, {call}]</TOOLCALL>")


def test_without_a_mark_there_is_no_grammar() -> None:
    bare = next(form for *_, form in FORMS if not form.start)
    assert optional_calls(MODEL, bare, tools(weather=WEATHER), Options(), pytest.fail) is None


ENDLESS = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
EMPTY = {
    "type": "object",
    "properties": {"a": {"minimum": 2, "maximum": 1, "type": "integer"}},
    "required": ["a"],
}


@pytest.mark.parametrize(
    ("form", "wrong"), [(HERMES, ENDLESS), (QWEN, ENDLESS), (QWEN, EMPTY), (KIMI, ENDLESS), (KIMI, EMPTY)]
)
def test_one_tool_that_no_grammar_follows_does_not_cost_the_others(form: CallForm, wrong: Any) -> None:
    told: list[str] = []
    asked = tools(wrong=wrong, weather=WEATHER)
    matcher = matcher_of(form, asked, told)
    assert [text.partition(":")[0] for text in told] == ["Arguments of 'wrong' are only checked"]
    assert matcher_of(form, asked, told) is not None
    assert len(told) == 1
    begin, free, held = {
        HERMES: ('{"name": "', 'wrong", "arguments": {"b": 1', 'weather", "arguments": {"b'),
        QWEN: ("<function=", "wrong><parameter=b>1", "weather><parameter=b"),
        KIMI: (
            "functions.",
            'wrong<|tool_call_argument_begin|>{"b": 1',
            'weather<|tool_call_argument_begin|>{"b',
        ),
    }[form]
    assert matcher.copy().follow(begin + free)
    assert not matcher.copy().follow(begin + held)


def test_tools_that_are_too_complex_are_only_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_schema, "MAX_CHARS", 2000)
    told: list[str] = []
    many = {f"t{index}": WEATHER for index in range(9)}
    promised = optional_calls(MODEL, HERMES, tools(**many), Options(), told.append)
    assert promised is not None
    assert promised.copy() is None
    assert told == ["Calls are only checked: a grammar of all parameters is too complex"]


@pytest.mark.parametrize("before", ["`", "The mark is '", "“"])
def test_a_mark_in_quotes_is_spoken_of(before: str) -> None:
    for text, held in ((f"{before}<tool_call>", False), (f"{before} <tool_call>", True)):
        for parts in pieces(text):
            reply = Reply(None, HERMES, Tools(TOOLS, "auto"))
            for part in parts:
                reply.feed(part)
            assert (reply.take_call() is not None) == held
