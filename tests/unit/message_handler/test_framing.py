"""Bytes to lines to objects and back."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import pytest

from sidecar.message_handler.framing import BOM, MAX_NESTING, TOO_LONG, LineSplitter, decode, encode


def split(*chunks: bytes, limit: int = 1000) -> list[Any]:
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    last = splitter.end()
    return lines if last is None else [*lines, last]


STREAM = BOM + '{"a":"é😀\u2028"}\r\n\n  \n\r\n[1,\t2]\n"last"'.encode()
LINES = ['{"a":"é😀\u2028"}'.encode(), b"[1,\t2]", b'"last"']


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_stream_cut_anywhere_gives_the_same_lines(at: int) -> None:
    assert split(STREAM[:at], STREAM[at:]) == LINES


def test_a_stream_of_single_bytes_gives_the_same_lines() -> None:
    assert split(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == LINES


def test_a_byte_order_mark_is_removed_at_the_start_only() -> None:
    assert split(BOM + b"1\n" + BOM + b"2\n") == [b"1", BOM + b"2"]


def test_a_stream_of_only_a_byte_order_mark_has_no_line() -> None:
    assert split(BOM) == []


def test_a_line_as_long_as_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    assert split(b"x" * 10 + b"\n" + b"y" * 11 + b"\nz\n", limit=10) == [b"x" * 10, TOO_LONG, b"z"]


@pytest.mark.parametrize("size", [1, 3, 10, 11, 40])
def test_the_line_after_a_too_long_one_is_complete_for_any_cut(size: int) -> None:
    stream = b"y" * 35 + b"\nnext\n" + b"y" * 11
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert split(*chunks, limit=10) == [TOO_LONG, b"next", TOO_LONG]


def test_a_line_that_never_ends_costs_no_more_memory_than_the_limit() -> None:
    splitter = LineSplitter(100_000)
    chunk = b"x" * 60_000
    tracemalloc.start()
    try:
        for _ in range(200):
            assert splitter.feed(chunk) == []
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000
    assert peak < 400_000


def test_a_line_that_comes_in_tiny_pieces_costs_little_more_than_its_size() -> None:
    # A sender of two bytes at a time must not cost forty bytes for each two.
    splitter = LineSplitter(10_000_000)
    pieces = [bytes([i % 200, 1]) for i in range(200)]
    tracemalloc.start()
    try:
        for _ in range(500):
            for piece in pieces:
                splitter.feed(b"a" + piece if b"\n" not in piece else b"aaa")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4 * 300_000


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a" 1}',
        b"nul",
        b'{"a":1} {"b":2}',
        b'"\x01"',
        b"NaN",
        b"[Infinity]",
        b'{"a":-Infinity}',
        b"1e999",
        b"-1e999",
        b"01",
        b"+1",
        b"0x10",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\xff",
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\xf5\x80\x80\x80"',
        b'"\xc0\x80"',
        '{"a":1}'.encode("utf-16"),
    ],
    ids=lambda line: repr(line[:24]),
)
def test_invalid_json_or_utf_8_is_a_value_error_with_a_text(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w+") as caught:
        decode(line)
    assert len(str(caught.value)) < 300
    assert "sys." not in str(caught.value), "it speaks of Python's internals"


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        "a\udfffb",
        "\u2028\u2029",
        "😀",
        "\x00\x7f",
        10**4000,
        -(10**18),
        0.1,
        1e308,
        [],
        {},
        None,
        True,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_comes_back_from_the_wire_as_it_was(value: Any) -> None:
    line = encode({"v": value})
    assert line.isascii()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    back = decode(line)["v"]
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_up_to_the_limit_is_accepted(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    deepest = opening * (MAX_NESTING - 1) + "[]" + closing * (MAX_NESTING - 1)
    decode(deepest.encode())
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(f"[{deepest}]".encode())


def test_many_brackets_side_by_side_are_not_nesting() -> None:
    value = [{"text": "[[[{{{"}] * 1000
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps("[" * 1000).encode()) == "[" * 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode({"v": value})


def test_random_bytes_are_accepted_or_a_value_error() -> None:
    chance = random.Random(7)
    taken = 0
    for _ in range(3000):
        line = bytearray(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[1,2.5,"\xc3\xa9"]}}')
        for _ in range(chance.randrange(4)):
            line[chance.randrange(len(line))] = chance.randrange(256)
        try:
            json.dumps(decode(bytes(line)))
            taken += 1
        except ValueError:
            pass
    assert 0 < taken < 3000
