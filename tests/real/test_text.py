"""What is streamed is the text, letter for letter; stop strings; characters that tokens cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from driver import Sidecar

pytestmark = pytest.mark.real


def complete(real: Sidecar, expected: Any, **params: Any) -> tuple[dict[str, Any], str]:
    """The greedy completion of a known prompt: its result, and its deltas joined."""
    request = real.send(
        "complete",
        {
            "contextId": "context-1",
            "prompt": expected.prompt,
            "maxTokens": len(expected.tokens),
            "temperature": 0,
            **params,
        },
    )
    return real.result(request), real.streamed(request)


def deltas(real: Sidecar) -> list[str]:
    """The deltas of the last request."""
    request = real.messages[-1]["id"]
    return [p["delta"] for p in real.progress(request, "generate")]


@pytest.mark.parametrize("name", ["faces", "letters and faces", "foxes", "japanese", "chinese"])
def test_no_delta_cuts_a_character_that_tokens_cut(real: Sidecar, plain: Any, name: str) -> None:
    expected = plain[name]
    assert any(b"\x80" <= piece[:1] < b"\xc0" for piece in expected.pieces), "no token cuts a character"
    whole = expected.text.rstrip("\ufffd")  # the last token may be half a character
    result, streamed = complete(real, expected)
    assert streamed == result["text"]
    assert result["text"].startswith(whole)
    sent = deltas(real)
    assert all("\ufffd" not in delta for delta in sent[:-1])
    assert all(sent), "an empty delta"
    if expected.text == whole:
        assert result["text"] == whole


def test_a_continuation_that_begins_within_a_character_has_replacement_characters(
    real: Sidecar, plain: Any
) -> None:
    expected = plain["foxes"]
    cut = [index for index, piece in enumerate(expected.pieces) if piece[:1] >= b"\xf0"][1] + 1
    prompt = [*expected.prompt, *expected.tokens[:cut]]
    rest = b"".join(expected.pieces[cut:]).decode("utf-8", "replace")
    request = real.send(
        "complete",
        {
            "contextId": "context-1",
            "prompt": prompt,
            "maxTokens": len(expected.tokens) - cut,
            "temperature": 0,
        },
    )
    result = real.result(request)
    assert result["text"] == real.streamed(request)
    assert result["text"][0] == "\ufffd"
    assert result["text"].rstrip("\ufffd") == rest.rstrip("\ufffd")


def stops_across_tokens(expected: Any) -> list[tuple[str, str]]:
    """(stop string, text before it) for substrings that begin and end within tokens of a known text."""
    found = []
    text = expected.text
    borders = [0]
    for piece in expected.pieces:
        borders.append(borders[-1] + len(piece.decode()))
    for index in range(2, len(borders) - 3):
        start, end = borders[index] - 1, borders[index + 2] + 1
        stop = text[start:end]
        if text.find(stop) == start:
            found.append((stop, text[:start]))
    return found


@pytest.mark.parametrize("name", ["capital", "story", "alphabet", "code"])
def test_a_stop_string_across_tokens_ends_the_text_before_it(real: Sidecar, plain: Any, name: str) -> None:
    expected = plain[name]
    for stop, before in stops_across_tokens(expected)[::5]:
        result, streamed = complete(real, expected, stop=stop)
        assert result["text"] == before == streamed
        assert (result["stopString"], result["finishReason"]) == (stop, "stop")


def test_every_way_to_write_stop_strings_and_the_earliest_wins(real: Sidecar, plain: Any) -> None:
    expected = plain["alphabet"]  # " h i j k l m n o p …"
    for stop, text, met in [
        ("k l", " h i j ", "k l"),
        (["k l"], " h i j ", "k l"),
        (["n", "k", "zzz"], " h i j ", "k"),
        (["k l m", "l"], " h i j k ", "l"),
        (["i j", "h i"], " ", "h i"),
        ([" h"], "", " h"),
        (["j k", "j k l"], " h i ", "j k"),
    ]:
        result, streamed = complete(real, expected, stop=stop)
        assert (result["text"], result["stopString"], result["finishReason"]) == (text, met, "stop"), stop
        assert streamed == text


def test_a_stop_string_that_never_is_complete_holds_nothing_back_at_the_end(
    real: Sidecar, plain: Any
) -> None:
    expected = plain["alphabet"]
    for stop in [expected.text[-1] + "?", expected.text[-5:] + "!", "h i j k l m x"]:
        result, streamed = complete(real, expected, stop=[stop])
        assert result["text"] == expected.text == streamed
        assert (result["stopString"], result["finishReason"]) == (None, "length")


def test_a_stop_string_of_several_bytes_within_cut_characters(real: Sidecar, plain: Any) -> None:
    expected = plain["letters and faces"]  # "I😀J😀K😀…"
    result, streamed = complete(real, expected, stop="😀L")
    assert result["text"] == "I😀J😀K" == streamed
    assert result["stopString"] == "😀L"


def test_after_a_stop_string_the_cache_is_still_right(real: Sidecar, plain: Any) -> None:
    expected = plain["count"]
    complete(real, expected, stop="8")
    result, _ = complete(real, expected)
    assert result["text"] == expected.text


def test_chat_takes_stop_strings_too(real: Sidecar) -> None:
    chat = {
        "contextId": "context-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0,
        "maxTokens": 20,
    }
    whole: str = real.call("chat", chat)["message"]["content"]  # which words it says depends on the processor
    stop = whole.split()[-2]
    request = real.send("chat", {**chat, "stop": stop})
    result = real.result(request)
    assert result["message"]["content"] == whole.partition(stop)[0] == real.streamed(request)
    assert result["stopString"] == stop


def test_two_streams_with_stops_and_cut_characters_at_once(
    real: Sidecar, plain: Any, fresh: Callable[..., str]
) -> None:
    context = fresh(sequences=2)
    ask = {"contextId": context, "temperature": 0, "maxTokens": 32}
    one = real.send("complete", {**ask, "prompt": plain["letters and faces"].prompt, "stop": "M😀"})
    two = real.send("complete", {**ask, "prompt": plain["alphabet"].prompt, "stop": ["s t"]})
    assert real.result(one)["text"] == "I😀J😀K😀L😀" == real.streamed(one)
    assert real.result(two)["text"] == " h i j k l m n o p q r " == real.streamed(two)
