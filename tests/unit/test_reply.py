"""What models say, taken apart: made-up streams, cut into pieces anywhere."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.core.reply import Reply
from sidecar.core.thinking import FAMILIES, Thinking, thinking_of
from sidecar.core.tools import FORMS, HERMES, CallForm, Tools
from sidecar.message_handler.errors import SidecarError

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "now"}},
]
CUTS = 25
"""Random ways in which each stream is cut."""

THINK = next(family for family in FAMILIES if family.start == "<think>")
HARMONY = next(family for family in FAMILIES if not family.plain)
BARE = CallForm("", "", arguments="parameters")
NEMO = next(form for *_, form in FORMS if form.start == "[TOOL_CALLS]" and form.listed)
MISTRAL = next(form for *_, form in FORMS if form.start == "[TOOL_CALLS]" and form.separator)
COMMENTARY = next(form for *_, form in FORMS if form.separator == "<|message|>")

Said = tuple[str, str, list[tuple[str, str]]]
"""Text, thoughts, calls."""


def pieces(stream: str) -> Iterator[list[str]]:
    """The stream in one piece, in single characters, and cut at random."""
    yield [stream]
    yield list(stream)
    chance = random.Random(stream)
    for _ in range(CUTS):
        cuts = sorted(chance.choices(range(len(stream) + 1), k=chance.randrange(1, 9)))
        yield [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def read(
    parts: list[str],
    thinking: Thinking | None,
    form: CallForm | None,
    *,
    opened: bool = False,
    reason: str = "stop",
) -> tuple[Said, str]:
    """What a reply makes of a stream, and its finish reason; its deltas must be its final texts."""
    reply = Reply(thinking, form, Tools(TOOLS, "auto") if form else None)
    if opened:
        reply.open_thought()
    told = []
    for part in parts:
        reply.feed(part)
        told += reply.untold()
    reason = reply.end(reason)
    told += reply.untold()
    message = reply.result()["message"]
    calls = message.get("toolCalls", [])
    joined: dict[Any, str] = {}
    for delta in told:
        assert delta.text
        key = (delta.segment, delta.call["index"] if delta.call else None)
        joined[key] = joined.get(key, "") + delta.text
        if delta.call and delta.call["index"] < len(calls):
            assert delta.call["id"] == calls[delta.call["index"]]["id"]
    assert joined.pop(("text", None), "") == message["content"]
    assert joined.pop(("reasoning", None), "") == message.get("reasoningContent", "")
    for index, call in enumerate(calls):
        assert joined.pop(("toolCall", index)) == call["function"]["arguments"]
    assert not joined or reason != "stop"
    said = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    return (message["content"], message.get("reasoningContent", ""), said), reason


OSLO = '{"city": "Oslo"}'
TRICKY = '{"city": "a } \\" { ] </tool_call> ü", "more": [{"x": "]"}, {}], "n": -1.5e3}'


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("Hello", ("Hello", "", [])),
        ("  Hello \n", ("  Hello \n", "", [])),
        ("<think>\nHm.\n</think>\n\nHello", ("Hello", "Hm.", [])),
        ("\n<think>Hm. </think>Hello ", ("Hello ", "Hm.", [])),
        ("<think>\n\n</think>\n\nHello", ("Hello", "", [])),
        ("<think>Hm < 3 </thin </think>x < y", ("x < y", "Hm < 3 </thin", [])),
        ("Hello <think>not</think>", ("Hello <think>not</think>", "", [])),
        ("<think>no end \n", ("", "no end \n", [])),
        ("<think>a</think><think>b</think>c", ("c", "a\nb", [])),
        ("<thinking>no</thinking>", ("<thinking>no</thinking>", "", [])),
        ("<thi", ("<thi", "", [])),
        ("", ("", "", [])),
    ],
)
def test_thoughts_are_told_apart_wherever_tokens_cut(stream: str, said: Said) -> None:
    for parts in pieces(stream):
        assert read(parts, THINK, None) == (said, "stop"), parts


def test_a_thought_that_the_prompt_began() -> None:
    for parts in pieces("\nHm.\n</think>\n\nHello"):
        assert read(parts, THINK, None, opened=True)[0] == ("Hello", "Hm.", [])


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.plain], ids=lambda f: f.start)
def test_every_family_of_marks(family: Thinking) -> None:
    for parts in pieces(f"{family.start}\nHm.{family.end}\nHello"):
        assert read(parts, family, None)[0] == ("Hello", "Hm.", [])
    forced = f"{family.start}Hm{family.closing}Hello"
    assert read([forced], family, None)[0] == ("Hello", "Hm", [])
    assert thinking_of(f"{{{{ x }}}}{family.end}") == family


def test_channels() -> None:
    stream = (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>" + OSLO
    )
    for parts in pieces(stream):
        said, reason = read(parts, HARMONY, COMMENTARY)
        assert said == ("I look.", "Hm.", [("get_weather", OSLO)]), parts
        assert reason == "toolCalls"
    for parts in pieces("<|channel|>final<|message|>Hello"):
        assert read(parts, HARMONY, COMMENTARY)[0] == ("Hello", "", [])


NOW = [("now", "{}")]
ACTION = next(form for *_, form in FORMS if form.name == "tool_name")
KIMI = next(form for *_, form in FORMS if form.start.endswith("functions.") and form.around)
FENCED = next(form for *_, form in FORMS if "```" in form.end)
FUNCTION = next(form for *_, form in FORMS if form.start == "<function=")
ASK = [("get_weather", OSLO)]
CALLS: list[tuple[CallForm, str, list[tuple[str, str]], str]] = [
    (HERMES, f'<tool_call>\n{{"name": "get_weather", "arguments": {OSLO}}}\n</tool_call>', ASK, ""),
    (
        HERMES,
        f'I look.\n<tool_call>{{"arguments": {OSLO}, "name": "get_weather"}}</tool_call>',
        ASK,
        "I look.",
    ),
    (
        HERMES,
        f'<tool_call>{{"name": "get_weather", "arguments": {TRICKY}, "id": 7}}</tool_call>',
        [("get_weather", TRICKY)],
        "",
    ),
    (HERMES, '<tool_call>{"name": "now"}</tool_call>', [("now", "{}")], ""),
    (HERMES, f'<tool_call>{{"name": "get_weather", "arguments": {json.dumps(OSLO)}}}</tool_call>', ASK, ""),
    (
        HERMES,
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n<tool_call>\n'
        f'{{"name": "get_weather", "arguments": {OSLO}}}\n</tool_call>\nSo.',
        [("now", "{}"), ("get_weather", OSLO)],
        "So.",
    ),
    (HERMES, "a < b <tool_cal", [], "a < b <tool_cal"),
    (BARE, f'{{"name": "get_weather", "parameters": {OSLO}}}', ASK, ""),
    (BARE, '\n{"name": "now", "parameters": {}}; {"name": "now", "parameters": {}}', NOW * 2, ""),
    (BARE, '{"name": "Ann", "age": 3}', [], '{"name": "Ann", "age": 3}'),
    (BARE, '{"a": [1, 2]} is JSON', [], '{"a": [1, 2]} is JSON'),
    (BARE, "{not JSON} ", [], "{not JSON} "),
    (BARE, '{"na', [], '{"na'),
    (BARE, 'So: {"name": "now", "parameters": {}}', [], 'So: {"name": "now", "parameters": {}}'),
    (NEMO, f'[TOOL_CALLS][{{"name": "get_weather", "arguments": {OSLO}, "id": "123456789"}}]', ASK, ""),
    (
        NEMO,
        f'[TOOL_CALLS] [{{"name": "now", "arguments": {{}}}}, {{"name": "get_weather", "arguments": {OSLO}}}]',
        [("now", "{}"), ("get_weather", OSLO)],
        "",
    ),
    (MISTRAL, f"[TOOL_CALLS]get_weather[ARGS]{OSLO}", ASK, ""),
    (
        MISTRAL,
        f"I look.[TOOL_CALLS]now[CALL_ID]123456789[ARGS]{{}}[TOOL_CALLS]get_weather[ARGS]{OSLO}",
        [("now", "{}"), ("get_weather", OSLO)],
        "I look.",
    ),
    (
        ACTION,
        'Plan.<|START_ACTION|>[\n  {"tool_call_id": "0", "tool_name": "now", "parameters": {}},\n'
        f'  {{"tool_call_id": "1", "tool_name": "get_weather", "parameters": {OSLO}}}\n]<|END_ACTION|>',
        NOW + ASK,
        "Plan.",
    ),
    (
        KIMI,
        "I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}"
        "<|tool_call_end|><|tool_call_begin|>functions.get_weather:1<|tool_call_argument_begin|>"
        f"{OSLO}<|tool_call_end|><|tool_calls_section_end|>",
        NOW + ASK,
        "I look.",
    ),
    (
        FENCED,
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
        f"{OSLO}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ASK,
        "",
    ),
    (FUNCTION, f"<function=get_weather>{OSLO}</function><function=now>{{}}</function>", ASK + NOW, ""),
]


@pytest.mark.parametrize(("form", "stream", "calls", "text"), CALLS)
def test_calls_are_told_apart_wherever_tokens_cut(
    form: CallForm, stream: str, calls: list[tuple[str, str]], text: str
) -> None:
    for parts in pieces(stream):
        assert read(parts, None, form) == ((text, "", calls), "toolCalls" if calls else "stop"), parts


def test_a_thought_then_a_call_and_no_call_within_a_thought() -> None:
    call = f'<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>'
    for parts in pieces(f"<think>I could {call} now.</think>\n{call}"):
        said, _ = read(parts, THINK, HERMES)
        assert said == ("", f"I could {call} now.", [("get_weather", OSLO)])


def test_arguments_are_told_while_they_come() -> None:
    reply = Reply(None, HERMES, Tools(TOOLS, "auto"))
    reply.feed('<tool_call>{"name": "get_weather", "arguments": {"city": "Os')
    (delta,) = reply.untold()
    assert delta.segment == "toolCall"
    assert delta.text == '{"city": "Os'
    assert delta.call is not None
    assert (delta.call["index"], delta.call["name"]) == (0, "get_weather")


def wrong(stream: str, form: CallForm = HERMES) -> SidecarError:
    """The error of a stream, which must be the same however it is cut."""
    kinds = set()
    for parts in pieces(stream):
        with pytest.raises(SidecarError) as caught:
            read(parts, None, form)
        kinds.add(caught.value.kind)
    assert len(kinds) == 1
    return caught.value


@pytest.mark.parametrize("name", ["get_wether", "", "x" * 500])
def test_an_unknown_tool_is_told_with_the_known_ones(name: str) -> None:
    error = wrong(f'<tool_call>{{"name": "{name}", "arguments": {{}}}}</tool_call>')
    assert error.kind == "unknownTool"
    assert error.details["allowed"] == ["get_weather", "now"]
    assert error.details["value"] == name[:64]


@pytest.mark.parametrize(
    "call",
    [
        '{"name": "get_weather", "arguments": {}}',
        '{"name": "get_weather", "arguments": {"city": 4}}',
        '{"name": "get_weather", "arguments": [1]}',
        '{"name": "get_weather", "arguments": null}',
        '{"name": "get_weather", "arguments": "Oslo"}',
        '{"name": "get_weather", "arguments": {"city": Oslo}}',
        '{"name": "get_weather"}',
        '{"name": "now", "arguments": {"zone": 1}}',
        '{"name": 4, "arguments": {}}',
        '{"arguments": {}}',
        "{}",
        "get_weather",
        "{get_weather}",
    ],
)
def test_arguments_that_do_not_fit_are_told(call: str) -> None:
    error = wrong(f"<tool_call>\n{call}\n</tool_call>")
    assert error.kind == "invalidToolArguments"
    assert error.details["cause"]
    assert len(json.dumps(error.details)) < 4000


def test_a_call_that_is_cut_off_is_no_call() -> None:
    stream = '<tool_call>{"name": "get_weather", "arguments": {"city": "Os'
    said, reason = read([stream], None, HERMES, reason="length")
    assert (said, reason) == (("", "", []), "length")
    assert wrong(stream).kind == "invalidToolArguments"


def test_a_name_without_end_is_not_waited_for() -> None:
    assert wrong("[TOOL_CALLS]" + "x" * 2000, MISTRAL).kind == "invalidToolArguments"
    assert wrong('<tool_call>{"' + "x" * 2000).kind == "invalidToolArguments"
