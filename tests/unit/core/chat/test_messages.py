"""Messages in OpenAI's form reach each template in the form that it supports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from character_model import CharacterModel, replace_lib, tokenized

from sidecar.message_handler.errors import SidecarError

PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}<{{ p['text'] }}>{% endfor %}{% endfor %}"
)
EITHER = (
    "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}"
    "{% else %}{% for p in m.content %}<{{ p.text }}>{% endfor %}{% endif %}{% endfor %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "[{{ m.role }}]{{ m.content }}{% endfor %}"
)
CALLS = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls %}"
    "({{ c.function.name }} ARGUMENTS){% endfor %}{% endfor %}"
)
WITH_JSON = CALLS.replace("ARGUMENTS", "{{ c.function.arguments | tojson }}")
WITH_TEXT = CALLS.replace("ARGUMENTS", "{{ '' + c.function.arguments }}")
THINKS = "{% for m in messages %}[{{ m.role }}]{{ m.reasoning_content }}|{{ m.content }}{% endfor %}"
TURNS = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}[end]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hi"}
PIECES = [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "add", "arguments": arguments}}


def called(arguments: Any, content: str | None = "") -> dict[str, Any]:
    return {"role": "assistant", "content": content, "toolCalls": [call(arguments)]}


@pytest.fixture(autouse=True)
def _vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_lib(monkeypatch)


def render(template: str, *messages: dict[str, Any], **params: Any) -> str:
    return tokenized(CharacterModel(template), {"messages": list(messages), **params})[0]


def refused(*messages: dict[str, Any], **params: Any) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        render(PLAIN, *messages, **params)
    return caught.value


@pytest.mark.parametrize(
    ("template", "content", "prompt"),
    [
        (PLAIN, "Hi", "[user]Hi"),
        (PLAIN, PIECES, "[user]One\nTwo"),
        (PARTS, "Hi", "[user]<Hi>"),
        (PARTS, PIECES, "[user]<One><Two>"),
        (EITHER, "Hi", "[user]Hi"),
        (EITHER, PIECES, "[user]<One><Two>"),
    ],
)
def test_content_comes_as_text_or_parts_as_the_template_supports(
    template: str, content: Any, prompt: str
) -> None:
    assert render(template, {"role": "user", "content": content}) == prompt


def test_a_system_message_goes_into_the_next_where_there_is_no_such_role() -> None:
    assert render(PLAIN, SYSTEM, USER) == "[system]Be brief.[user]Hi"
    assert render(NO_SYSTEM, SYSTEM, USER) == "[user]Be brief.\nHi"
    assert render(NO_SYSTEM, {"role": "system", "content": PIECES}, USER) == "[user]One\nTwo\nHi"
    assert render(NO_SYSTEM, SYSTEM) == "[user]Be brief."


def test_developer_is_system_except_in_templates_that_have_both() -> None:
    developer = {**SYSTEM, "role": "developer"}
    assert render(PLAIN, developer) == "[system]Be brief."
    assert render(PLAIN + "{# <|channel|> #}", developer) == "[developer]Be brief."


@pytest.mark.parametrize("arguments", ['{"a": "ä", "b": [1]}', {"a": "ä", "b": [1]}])
def test_arguments_come_as_object_or_text_as_the_template_supports(arguments: Any) -> None:
    expected = '[user]Hi[assistant](add {"a": "ä", "b": [1]})'
    assert render(WITH_JSON, USER, called(arguments)) == expected
    assert render(WITH_TEXT, USER, called(arguments)) == expected


def test_arguments_that_are_nested_too_deeply_are_refused() -> None:
    with pytest.raises(SidecarError) as caught:
        render(WITH_JSON, USER, called('{"a": ' + "[" * 50_000 + "]" * 50_000 + "}"))
    assert caught.value.kind == "invalidParams"


def test_null_content_is_empty_and_other_names_are_the_templates() -> None:
    assert render(WITH_JSON, called({}, None)) == "[assistant](add {})"
    reasoning = {"role": "assistant", "content": None, "reasoningContent": "Hm."}
    assert render(THINKS, reasoning) == "[assistant]Hm.|"
    answer = {"role": "tool", "content": "4", "toolCallId": "c", "name": "add"}
    ids = "{% for m in messages %}{{ m.tool_call_id }} {{ m.name }} {{ m.content }}{% endfor %}"
    assert render(ids, answer) == "c add 4"


def test_variables_tools_and_a_template_of_the_callers_own() -> None:
    assert render("{{ thinking }}{{ enable_thinking }}", USER, templateVariables={"thinking": 1}) == "1True"
    assert render("{{ enable_thinking }}", USER, reasoning=False) == "False"
    assert render("{{ date_string }}", USER, templateVariables={"date_string": "today"}) == "today"
    assert render(PLAIN, USER, chatTemplate="own {{ messages[0].content }}") == "own Hi"


@pytest.mark.parametrize("said", ["Hello, I", "Hello, I ", "", "{{ x }}"])
def test_a_last_message_is_continued_where_it_ends(said: str) -> None:
    assistant = {"role": "assistant", "content": said}
    expected = f"[user]Hi[end][assistant]{said}"
    assert render(TURNS, USER, assistant, continueFinalMessage=True) == expected
    parts = {"role": "assistant", "content": [{"type": "text", "text": said}]}
    assert render(TURNS, USER, parts, continueFinalMessage=True) == expected


def test_a_template_that_leaves_out_the_message_to_continue_fails() -> None:
    with pytest.raises(SidecarError) as caught:
        render(
            "{{ messages[0].content }}",
            USER,
            {"role": "assistant", "content": "x"},
            continueFinalMessage=True,
        )
    assert caught.value.kind == "templateFailed"


IMAGE = {"type": "image_url", "imageUrl": {"url": "data:,"}}
AUDIO = {"type": "input_audio", "inputAudio": {"data": "", "format": "wav"}}


@pytest.mark.parametrize("part", [IMAGE, AUDIO])
def test_a_part_that_is_not_text_is_refused(part: dict[str, Any]) -> None:
    error = refused(SYSTEM, {"role": "user", "content": [PIECES[0], part]})
    assert error.kind == "unsupportedContent"
    assert error.details["pointer"] == "/messages/1/content/1"


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ({"role": "user", "content": None}, "/content"),
        ({"role": "assistant", "content": None}, "/content"),
        ({"role": "user", "content": "", "toolCalls": []}, "/toolCalls"),
        ({"role": "system", "content": "", "reasoningContent": "Hm."}, "/reasoningContent"),
        ({"role": "assistant", "content": "", "toolCallId": "c"}, "/toolCallId"),
        ({"role": "user", "content": [{"type": "text"}]}, "/content/0/text"),
        (called("{"), "/toolCalls/0/function/arguments"),
        (called("[]"), "/toolCalls/0/function/arguments"),
        (called('{"a": NaN}'), "/toolCalls/0/function/arguments"),
        (called('{"a": [-Infinity, 1e999]}'), "/toolCalls/0/function/arguments"),
        (called(json.dumps("a" * 999)), "/toolCalls/0/function/arguments"),
    ],
)
def test_a_malformed_message_is_refused_with_its_pointer(message: dict[str, Any], pointer: str) -> None:
    error = refused(message)
    assert error.kind == "invalidParams"
    assert error.details["pointer"] == "/messages/0" + pointer
    assert len(json.dumps(error.details)) < 500


@pytest.mark.parametrize("messages", [[USER], [USER, called("{}")], [USER, {"role": "tool", "content": "4"}]])
def test_only_a_message_of_the_assistant_can_be_continued(messages: list[dict[str, Any]]) -> None:
    assert refused(*messages, continueFinalMessage=True).details["pointer"] == "/continueFinalMessage"


def test_a_turn_cannot_be_continued_and_begun() -> None:
    assistant = {"role": "assistant", "content": "x"}
    error = refused(USER, assistant, continueFinalMessage=True, addGenerationPrompt=True)
    assert error.kind == "invalidParams"
    assert render(TURNS, USER, assistant, continueFinalMessage=True, addGenerationPrompt=False)


def test_messages_are_not_changed() -> None:
    messages = [SYSTEM, USER, called('{"a": 1}')]
    before = json.dumps(messages)
    render(WITH_JSON, *messages)
    render(NO_SYSTEM, *messages[:2])
    assert json.dumps(messages) == before
