"""What models say is split into reasoning and text."""

from __future__ import annotations

import pytest
from made_streams import OSLO, THINK, Said, pieces, read

from sidecar.core.output.calls.call_forms import HERMES
from sidecar.core.output.message_headers import FAMILIES as HEADERS
from sidecar.core.output.message_headers import Headers, headers_of
from sidecar.core.output.reasoning import FAMILIES, HARMONY, ReasoningMarks, reasoning_marks


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
        # an end without a beginning
        ("</think>\n\nHello", ("Hello", "", [])),
        ("<think>a</think></think>b", ("b", "a", [])),
        ("Okay, hm.\n</think>\n\nHello", ("Okay, hm.\n\n\nHello", "", [])),
        ("Okay, hm.</think>\nHello", ("Okay, hm.\nHello", "", [])),
        ("The mark </think> ends it.", ("The mark </think> ends it.", "", [])),
        ("So:\n<think>\na\n</think>\nb", ("So:\n<think>\na\n</think>\nb", "", [])),
        ("", ("", "", [])),
    ],
)
def test_reasoning_is_split_off_wherever_tokens_cut(stream: str, said: Said) -> None:
    for parts in pieces(stream):
        assert read(parts, THINK, None) == (said, "stop"), parts


def test_reasoning_that_the_prompt_began() -> None:
    for parts in pieces("\nHm.\n</think>\n\nHello"):
        assert read(parts, THINK, None, opened=True)[0] == ("Hello", "Hm.", [])


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family != HARMONY], ids=lambda f: f.start
)
def test_every_family_of_marks(family: ReasoningMarks) -> None:
    headers = Headers(marks=tuple(mark for each in HEADERS for mark in each.marks))
    for parts in pieces(f"{family.start}\nHm.{family.end}\nHello"):
        assert read(parts, family, None, headers=headers)[0] == ("Hello", "Hm.", [])
    forced = f"{family.start}Hm{family.closing}Hello"
    assert read([forced], family, None, headers=headers)[0] == ("Hello", "Hm", [])
    assert reasoning_marks(f"{{{{ x }}}}{family.sign or family.end}") == family


def test_headers_are_no_text_and_end_reasoning() -> None:
    solar = next(family for family in FAMILIES if family.start == "<|think|>")
    headers = headers_of("assistant<|think|>")
    for parts in pieces("<|think|>Hm.<|begin|>assistant<|content|>Hello <|content|>you"):
        assert read(parts, solar, None, headers=headers)[0] == ("Helloyou", "Hm.", [])
    muse = headers_of("assistant to=self")
    assert "to=f<|message|>" in muse.of_tools(["f"])
    for parts in pieces(" to=user<|message|>Go to=user"):
        assert read(parts, None, None, headers=muse)[0] == ("Go to=user", "", [])


def test_reasoning_then_a_call_and_no_call_within_reasoning() -> None:
    call = f'<tool_call>{{"name": "get_weather", "arguments": {OSLO}}}</tool_call>'
    for parts in pieces(f"<think>I could {call} now.</think>\n{call}"):
        said, _ = read(parts, THINK, HERMES)
        assert said == ("", f"I could {call} now.", [("get_weather", OSLO)])
