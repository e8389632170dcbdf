"""From the bytes of tokens to text: complete characters, without the stop string."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from sidecar.core.output.detokenizer import Detokenizer


def run(pieces: Iterable[bytes], stops: list[str]) -> tuple[list[str], str, str | None]:
    """Feed pieces as a generation does; returns (deltas, text, stop string)."""
    stream, deltas = Detokenizer(stops), []
    for piece in pieces:
        deltas.append(stream.feed(piece))
        assert stream.text == "".join(deltas)
        if stream.stop_string is not None:
            break
    deltas.append(stream.end())
    assert stream.text == "".join(deltas), "joined deltas are the text"
    return deltas, stream.text, stream.stop_string


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    marks = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(6)))
    return [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]


def test_a_character_is_held_back_until_it_is_whole() -> None:
    assert run([b"a", b"\xf0", b"\x9f\x98", b"\x80b"], [])[0] == ["a", "", "", "😀b", ""]


@pytest.mark.parametrize("at", range(len("aé€😀z".encode()) + 1))
def test_a_text_cut_anywhere_comes_out_whole(at: int) -> None:
    data = "aé€😀z".encode()
    assert run([data[:at], data[at:]], [])[1] == "aé€😀z"


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([b"a\xff", b"b"], "a\ufffdb"),
        ([b"\xf0\x9f", b"x"], "\ufffdx"),
        ([b"a\xc3"], "a\ufffd"),
        ([b"\x80"], "\ufffd"),
        ([b"\xed\xa0\x80"], "\ufffd" * 3),
    ],
)
def test_bytes_that_are_not_utf_8_become_replacement_characters(pieces: list[bytes], text: str) -> None:
    assert run(pieces, [])[1] == text


def test_a_stop_string_that_spans_tokens_never_shows() -> None:
    deltas, text, stop = run([b"Hello <", b"|e", b"nd|", b"> more"], ["<|end|>"])
    assert deltas == ["Hello ", "", "", "", ""]
    assert (text, stop) == ("Hello ", "<|end|>")


def test_what_only_looked_like_a_stop_string_is_shown() -> None:
    deltas, text, stop = run([b"a<", b"|e", b"x", b"<|en"], ["<|end|>"])
    assert deltas == ["a", "", "<|ex", "", "<|en"]
    assert (text, stop) == ("a<|ex<|en", None)


def test_a_stop_string_within_one_token_ends_the_text_before_it() -> None:
    assert run([b"one\ntwo\nthree"], ["\n"])[1:] == ("one", "\n")


def test_a_stop_string_at_the_very_end_is_found() -> None:
    assert run([b"one", b"\n"], ["\n"])[1:] == ("one", "\n")


def test_a_stop_string_at_the_very_beginning_leaves_nothing() -> None:
    assert run([b"ST", b"OP"], ["STOP"])[1:] == ("", "STOP")


def test_of_two_that_end_together_the_longer_is_the_stop() -> None:
    assert run([b"xab"], ["b", "ab"])[1:] == ("x", "ab")


@pytest.mark.parametrize("pieces", [[b"abc"], [b"ab", b"c"], [b"a", b"b", b"c"], [b"a", b"bc"]])
def test_of_two_that_overlap_the_first_complete_one_wins_however_tokens_are_cut(pieces: list[bytes]) -> None:
    assert run(pieces, ["abc", "b"])[1:] == ("a", "b")


def test_a_stop_string_that_begins_like_itself_is_found() -> None:
    assert run([b"a", b"a", b"a", b"b"], ["aab"])[1:] == ("a", "aab")
    assert run([b"\n", b"\n", b"x", b"\n\n", b"\n"], ["\n\n\n"])[1:] == ("\n\nx", "\n\n\n")


def test_a_stop_string_of_characters_of_several_bytes_is_found_when_cut_within_one() -> None:
    data = "für é😀 immer".encode()
    for at in range(len(data)):
        assert run([data[:at], data[at:]], ["é😀"])[1:] == ("für ", "é😀")


def test_nothing_follows_a_stop_string() -> None:
    stream = Detokenizer(["x"])
    assert stream.feed(b"ax\xf0\x9f") == "a"
    assert stream.end() == ""
    assert stream.text == "a"


def expected(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The simple way: look at every prefix of the text, one character longer each time."""
    for end in range(1, len(text) + 1):
        met = [stop for stop in stops if text[:end].endswith(stop)]
        if met:
            stop = max(met, key=len)
            return text[: end - len(stop)], stop
    return text, None


def test_any_cut_of_any_text_gives_the_same_text_and_stop() -> None:
    chance = random.Random(2)
    stopped = 0
    for _ in range(4000):
        text = "".join(chance.choice("abé😀\n") for _ in range(chance.randrange(1, 14)))
        stops = ["".join(chance.choice("abé😀\n") for _ in range(chance.randrange(1, 4))) for _ in range(3)]
        stops = stops[: chance.randrange(4)]
        pieces = cut(text.encode(), chance)
        assert run(pieces, stops)[1:] == expected(text, stops), (pieces, stops)
        stopped += expected(text, stops)[1] is not None
    assert 500 < stopped < 3500


def test_any_cut_of_any_bytes_gives_the_text_that_python_reads_in_them() -> None:
    chance = random.Random(3)
    for _ in range(3000):
        data = bytes(
            chance.choice(b"a\n\xc3\xa9\xf0\x9f\x98\x80\xff\xed") for _ in range(chance.randrange(12))
        )
        assert run(cut(data, chance), [])[1] == data.decode("utf-8", "replace")
