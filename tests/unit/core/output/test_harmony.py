"""The messages of gpt-oss are read with every form of header, and nothing of them is lost."""

from __future__ import annotations

import pytest
from made_streams import OSLO, Said, pieces, read

from sidecar.core.output.calls.call_forms import FORMS, HERMES
from sidecar.core.output.reasoning import HARMONY
from sidecar.core.output.reply import Reply
from sidecar.message_handler.errors import SidecarError

FORM = next(form for *_, form in FORMS if form.separator == "<|message|>")
CALLED: Said = ("", "", [("get_weather", OSLO)])
HEADERS = [
    " to=functions.get_weather<|channel|>commentary <|constrain|>json",
    "<|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json",
    " to=functions.get_weather<|channel|>commentary json",
    " to=get_weather<|channel|>commentary",
    "<|channel|>commentary to=functions.get_weather <|constrain|>json",
    "<|channel|>commentary to=functions.get_weather<|constrain|>json",
    "<|channel|>commentary to=functions.get_weather code",
    "<|channel|>commentary to=functions.get_weather",
    "<|channel|>analysis to=functions.get_weather code",
    "<|channel|>final to=functions.get_weather <|constrain|>json",
    "<|channel|>commentary<|constrain|>json to=functions.get_weather",
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_call_is_found_whatever_its_header(header: str) -> None:
    for end in ("<|call|>", "", "<|end|>", "\n<|call|>"):
        for parts in pieces(f"{header}<|message|>{OSLO}{end}"):
            assert read(parts, HARMONY, FORM) == (CALLED, "toolCalls"), parts


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("<|channel|>final<|message|>Hello <|return|>", ("Hello", "", [])),
        ('<|channel|>final <|constrain|>json<|message|>{"a": 1}', ('{"a": 1}', "", [])),
        ("<|message|>Hello", ("Hello", "", [])),
        ("<|channel|>comment<|message|>Hello", ("Hello", "", [])),
        ("Hello", ("Hello", "", [])),
        ("Hello\n", ("Hello\n", "", [])),
        ("<|channel|>analysis<|message|>Hm.<|end|>Hello", ("Hello", "Hm.", [])),
        ("<|channel|>analysis<|message|>Hm. <|channel|>final<|message|>Hello", ("Hello", "Hm.", [])),
        (
            "<|channel|>analysis<|message|>A.<|end|><|start|>assistant<|channel|>analysis<|message|>B.",
            ("", "A.\nB.", []),
        ),
        (
            "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.now<|channel|>commentary"
            f"<|message|>{{}}<|call|><|start|>assistant<|channel|>commentary to=functions.get_weather<|message|>{OSLO}"
            "<|call|><|start|>assistant<|channel|>final<|message|>It is late.",
            ("I look.\nIt is late.", "", [("now", "{}"), ("get_weather", OSLO)]),
        ),
        (f"{HEADERS[0]}<|message|>{OSLO} so", ("so", "", CALLED[2])),
        ("<|channel|>commentary to=functions.now<|message|>", ("", "", [("now", "{}")])),
        ("<|channel|>commentary to=functions.now<|message|><|call|>", ("", "", [("now", "{}")])),
        ("<|channel|>commentary to=functions.now<|message|>null<|call|>", ("", "", [("now", "{}")])),
        # no header, so it is text where it stands
        (
            "<|channel|>final<|message|>The mark <|channel|> names\na channel.",
            ("The mark <|channel|> names\na channel.", "", []),
        ),
        ("<|channel|>analysis<|message|>Is <|start|> a <mark>?", ("", "Is <|start|> a <mark>?", [])),
        (f"<|channel|>{'x' * 400}<|message|>a", (f"<|channel|>{'x' * 400}<|message|>a", "", [])),
        ("<|channel|>comm", ("<|channel|>comm", "", [])),
        # a message to nobody in particular
        ("<|start|>functions.now to=assistant<|channel|>commentary<|message|>12", ("12", "", [])),
    ],
)
def test_messages_go_to_their_segments(stream: str, said: Said) -> None:
    for parts in pieces(stream):
        assert read(parts, HARMONY, FORM)[0] == said, parts


@pytest.mark.parametrize("recipient", ["python", "browser.search", "functions.get_wether", "container.exec"])
def test_a_tool_that_the_request_has_not_is_reported(recipient: str) -> None:
    for parts in pieces(f"<|channel|>analysis to={recipient} code<|message|>print(1)<|call|>"):
        with pytest.raises(SidecarError) as caught:
            read(parts, HARMONY, FORM)
        assert caught.value.kind == "unknownTool"
        assert caught.value.details["value"] == recipient.removeprefix("functions.")


@pytest.mark.parametrize(
    "arguments", ["print(1)<|call|>", '{"city": ', '"Oslo"<|call|>', "", "{}<|call|>", '{"city": NaN}']
)
def test_arguments_that_do_not_fit_are_reported(arguments: str) -> None:
    for parts in pieces(f"<|channel|>commentary to=functions.get_weather<|message|>{arguments}"):
        with pytest.raises(SidecarError) as caught:
            read(parts, HARMONY, FORM)
        assert caught.value.kind == "invalidToolArguments"


def test_without_tools_a_message_to_a_tool_belongs_to_its_channel() -> None:
    said, _ = read(["<|channel|>analysis to=python code<|message|>print(1)<|call|>"], HARMONY, None)
    assert said == ("", "print(1)", [])
    said, _ = read(["<|channel|>commentary to=python code<|message|>print(1)<|call|>"], HARMONY, None)
    assert said == ("print(1)", "", [])


def test_a_call_without_arguments_that_is_cut_off_is_no_call() -> None:
    said, reason = read(["<|channel|>commentary to=functions.now<|message|>"], HARMONY, FORM, reason="length")
    assert (said, reason) == (("", "", []), "length")


def test_reasoning_that_the_prompt_began_ends_when_it_is_forced_to() -> None:
    reply = Reply(HARMONY, HERMES, None)
    reply.begin_reasoning()
    reply.feed("Hm")
    assert reply.in_reasoning
    reply.feed(HARMONY.closing + "Hello")
    assert not reply.in_reasoning
    assert reply.result()["message"] == {"role": "assistant", "content": "Hello", "reasoningContent": "Hm"}
