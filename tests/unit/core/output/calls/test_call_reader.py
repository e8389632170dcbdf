"""Tool calls are parsed, in the forms of all families."""

from __future__ import annotations

import json

import pytest
from made_calls import by_hand
from made_streams import OSLO, TOOLS, pieces, read

from sidecar.core.output.calls.call_forms import FORMS, HERMES, CallForm
from sidecar.core.output.calls.tag_forms import KEY
from sidecar.core.output.calls.tools import Tools
from sidecar.core.output.reply import Reply
from sidecar.message_handler.errors import SidecarError

BARE = CallForm("", "", arguments="parameters")
NEMO = next(form for *_, form in FORMS if form.start == "[TOOL_CALLS]" and form.listed)
MISTRAL = next(form for *_, form in FORMS if form.start == "[TOOL_CALLS]" and form.separator)
TRICKY = '{"city": "a } \\" { ] </tool_call> ü", "more": [{"x": "]"}, {}], "n": -1.5e3}'


def tagged(sign: str, start: str) -> CallForm:
    """The form with tags of the templates that have this sign."""
    return next(form for with_, _, form in FORMS if form.tags and form.start == start and _has(with_, sign))


def _has(signs: tuple[str, ...], sign: str) -> bool:
    return any(each.startswith(sign) for each in signs)


NOW = [("now", "{}")]
ACTION = next(form for *_, form in FORMS if form.name == "tool_name")
KIMI = next(form for *_, form in FORMS if form.prefix and form.around)
FENCED = next(form for *_, form in FORMS if "```" in form.end)
FUNCTION = next(form for *_, form in FORMS if form.start == "<function=")
CODER = tagged("<function=", "<tool_call>")
OSLO_TAGS = "<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>"
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
    (
        tagged("<function=", "<tool_call>"),
        "I look.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n"
        "</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
        ASK + NOW,
        "I look.",
    ),
    (
        tagged("<function=", "<tool_call>"),
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
        ASK,
        "",
    ),
    (
        tagged("<arg_key>", "<tool_call>"),
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
        ASK,
        "",
    ),
    (tagged("<arg_key>", "<tool_call>"), "<tool_call>now</tool_call>", NOW, ""),
    (
        tagged("<invoke", "<minimax:tool_call>"),
        '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n</invoke>\n'
        '<invoke name="now">\n</invoke>\n</minimax:tool_call>',
        ASK + NOW,
        "",
    ),
    (
        tagged("dsml_token", "<｜DSML｜function_calls>"),
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">'
        "Oslo</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        ASK,
        "",
    ),
    (FUNCTION, f"<function=get_weather>{OSLO}</function><function=now>{{}}</function>", ASK + NOW, ""),
    # a model may leave out what it need not say
    (HERMES, '<tool_call>{"name": "now", "arguments": ""}</tool_call>', NOW, ""),
    (HERMES, '<tool_call>{"name": "now", "arguments": null}</tool_call>', NOW, ""),
    (FUNCTION, "<function=now></function>", NOW, ""),
    (KIMI, "<|tool_call_begin|>now:0<|tool_call_argument_begin|><|tool_call_end|>", NOW, ""),
    (CODER, f"So.\n{OSLO_TAGS}\n</tool_call>\nOK", ASK, "So.OK"),
    (CODER, OSLO_TAGS, ASK, ""),
    (CODER, f"<tool_call>\n{OSLO_TAGS}", ASK, ""),
    (CODER, f"{OSLO_TAGS}\n{OSLO_TAGS}", ASK * 2, ""),
    (CODER, f"{OSLO_TAGS}<function=x>y", ASK, "<function=x>y"),
    # text that is not a call stays text
    (HERMES, "Write <tool_call> before a call.", [], "Write <tool_call> before a call."),
    (HERMES, "a\n <tool_call>\n", [], "a\n <tool_call>\n"),
    (HERMES, '<tool_call>{"name": <name>}</tool_call>', [], '<tool_call>{"name": <name>}</tool_call>'),
    (HERMES, "<tool_call>get_weather</tool_call>", [], "<tool_call>get_weather</tool_call>"),
    (HERMES, '<tool_call>{"name": 4, "arguments": {}}', [], '<tool_call>{"name": 4, "arguments": {}}'),
    (
        HERMES,
        f'Write <tool_call> so: <tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>',
        ASK,
        "Write <tool_call> so:",
    ),
    (MISTRAL, "The mark [TOOL_CALLS] begins a call.", [], "The mark [TOOL_CALLS] begins a call."),
    (CODER, "<tool_call>now</tool_call>", [], "<tool_call>now</tool_call>"),
    (
        CODER,
        "Use <function=now> or <function=x></function>.",
        [],
        "Use <function=now> or <function=x></function>.",
    ),
    (tagged("<arg_key>", "<tool_call>"), "A <tool_call>before a call", [], "A <tool_call>before a call"),
]


@pytest.mark.parametrize(("form", "stream", "calls", "text"), CALLS)
def test_calls_are_parsed_wherever_tokens_cut(
    form: CallForm, stream: str, calls: list[tuple[str, str]], text: str
) -> None:
    for parts in pieces(stream):
        assert read(parts, None, form) == ((text, "", calls), "toolCalls" if calls else "stop"), parts


def test_arguments_are_streamed_while_they_come() -> None:
    reply = Reply(None, HERMES, Tools(TOOLS, "auto"))
    reply.feed('<tool_call>{"name": "get_weather", "arguments": {"city": "Os')
    (delta,) = reply.take_deltas()
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
def test_an_unknown_tool_is_reported_with_the_known_ones(name: str) -> None:
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
        '{"name": "get_weather", "arguments": {"city": NaN}}',
        '{"name": "get_weather", "arguments": {"city": "Oslo", "more": [{"a": -Infinity}]}}',
        '{"name": "get_weather", "arguments": {"city": "Oslo", "more": 1e999}}',
        '{"name": "get_weather", "arguments": {"city": "Oslo", "more": ' + "[" * 999 + "]" * 999 + "}}",
        '{"name": "get_weather", "arguments": {"city": "Oslo", "more": ' + "9" * 5000 + "}}",
        '{"name": "get_weather", "arguments": ""}',
        '{"name": "get_weather", "arguments": {"city": "Oslo"}, "name": "now"}',
        '{"arguments": {}}',
        "{}",
    ],
)
def test_arguments_that_do_not_fit_are_reported(call: str) -> None:
    error = wrong(f"<tool_call>\n{call}\n</tool_call>")
    assert error.kind == "invalidToolArguments"
    assert error.details["cause"]
    assert len(json.dumps(error.details)) < 4000


@pytest.mark.parametrize(
    "call",
    [
        "<function=now>",
        "<function=now></function",
        "<function=get_weather></function>",
        "<function=now><parameter=a>1</function>",
        "<function=now><parameter=a>1</parameter></function>",
        "<function=get_weather><parameter=city>a</parameter><parameter=city>b</parameter></function>",
        "<function=get_weather><parameter=city>a</parameter></function></tool_call>b</parameter></function>",
        '{"name": "now", "arguments": 1}',
    ],
)
def test_broken_tags_are_reported(call: str) -> None:
    error = wrong(f"<tool_call>\n{call}\n</tool_call>", tagged("<function=", "<tool_call>"))
    assert error.kind == "invalidToolArguments"


TAGGED = [form for *_, form in FORMS if form.tags is not None]


@pytest.mark.parametrize("form", TAGGED, ids=lambda form: form.start)
def test_a_closing_mark_within_a_value_does_not_end_it(form: CallForm) -> None:
    assert form.tags is not None
    close, end = form.tags.value[1].replace(KEY, "city"), form.tags.call[2]
    for inner in (close, f"{close}{end}.", f"{close} {form.end[:-1]}", "\n a\n\n"):
        stream = by_hand(form, [("get_weather", {"city": f"{inner}b"})])
        for parts in pieces(stream):
            (call,) = read(parts, None, form)[0][2]
            assert json.loads(call[1]) == {"city": f"{inner}b"}


@pytest.mark.parametrize(
    "form", [form for form in TAGGED if not form.tags.quotes[0]], ids=lambda form: form.start
)
def test_a_value_with_the_tags_of_the_next_argument_is_no_other_call(form: CallForm) -> None:
    assert form.tags is not None
    value = f"{form.tags.value[1].replace(KEY, 'city')}\n{form.tags.key[0]}:"
    error = wrong(by_hand(form, [("get_weather", {"city": value, "days": 1})]), form)
    assert error.kind == "invalidToolArguments" and "cannot carry" in error.problem


def test_a_call_that_is_cut_off_is_not_a_call() -> None:
    stream = '<tool_call>{"name": "get_weather", "arguments": {"city": "Os'
    said, reason = read([stream], None, HERMES, reason="length")
    assert (said, reason) == (("", "", []), "length")
    assert wrong(stream).kind == "invalidToolArguments"


def test_a_name_without_end_is_not_waited_for() -> None:
    for stream, form in (("[TOOL_CALLS]" + "x" * 2000, MISTRAL), ('<tool_call>{"' + "x" * 2000, HERMES)):
        reply = Reply(None, form, Tools(TOOLS, "auto"))
        reply.feed(stream)
        assert "".join(delta.text for delta in reply.take_deltas()) == stream


def test_only_an_id_may_stand_before_the_name() -> None:
    solar = next(form for *_, form in FORMS if form.prefix == "<|tool_call:name|>")
    call = "<|tool_call:name|>now<|tool_call:args|>{}<|tool_call:end|>"
    for parts in pieces(f"<|tool_call:begin|>a1{call}"):
        assert read(parts, None, solar)[0] == ("", "", [("now", "{}")])
    for parts in pieces(f'<|tool_call:begin|>["}}<|tool_call:end|><|tool_call:begin|>a1{call}'):
        said = read(parts, None, solar)[0]
        assert said == ('<|tool_call:begin|>["}<|tool_call:end|>', "", [("now", "{}")])


def test_a_prompt_of_python_in_a_text_is_no_call() -> None:
    form = next(form for *_, form in FORMS if form.start == ">>>")
    text = "In Python:\n>>> print\n<built-in>\n>>> a\n1\nok"
    for parts in pieces(text):
        content, _, calls = read(parts, None, form)[0]
        assert (content, calls) == (text, [])


def test_what_follows_a_list_of_calls_is_text() -> None:
    form = next(form for *_, form in FORMS if form.literals is not None and form.literals.listed)
    for after in ("Done (as asked).", f"]{form.end}", ",or not"):
        for parts in pieces(f"{form.start}[now()]\n{after}"):
            content, _, calls = read(parts, None, form)[0]
            assert (content.strip(), calls) == (after, NOW)


def test_a_text_with_the_mark_that_ends_it_is_no_other_call() -> None:
    gemma = next(form for *_, form in FORMS if form.literals is not None and form.literals.bare_keys)
    error = wrong(by_hand(gemma, [("get_weather", {"city": '},<|"|>b\n},'})]), gemma)
    assert error.kind == "invalidToolArguments" and "cannot carry" in error.problem
    kept = 'a <|"|>b<|"|> c'
    ((call,),) = [read([by_hand(gemma, [("get_weather", {"city": kept})])], None, gemma)[0][2]]
    assert json.loads(call[1]) == {"city": kept}
