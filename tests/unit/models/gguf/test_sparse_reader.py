"""Headers of which only parts are read: the result is the same as from all bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import gguf_files as files
import pytest
from vocabularies import OF_LLAMA_3, vocabulary, words

from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf import reader, sparse_reader
from sidecar.models.gguf.header import Header, Tensor

ROWS = [files.tensor_row(f"blk.{n}.attn_q.weight", [32, 64], files.F32, n * 8192) for n in range(50)]
BEFORE = [files.entry("general.architecture", files.STRING, "llama")]


class Counting(io.BytesIO):
    """A file that knows how much of it was read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def described(header: Header) -> dict[str, Any]:
    """All that it says."""
    rows = [[getattr(tensor, name) for name in Tensor.__slots__] for tensor in header.tensors]
    return {**vars(header), "tensors": rows}


def compared(entries: list[bytes], rows: list[bytes] = ROWS, rest: int = 50 * 8192) -> tuple[int, int]:
    """Compare both ways of reading; returns the bytes that each took."""
    data = files.header(BEFORE + entries, rows) + bytes(rest)
    walked, here = Counting(data), Counting(data)
    expected, found = (
        reader.parse(walked, len(data), "m.gguf"),
        sparse_reader.read_header(here, len(data), "m.gguf"),
    )
    expected.read_bytes = found.read_bytes
    assert described(found) == described(expected)
    return here.count, walked.count


@pytest.mark.parametrize(("tokens", "merges"), [(50_000, 49_000), OF_LLAMA_3])
def test_a_vocabulary_is_jumped_over(tokens: int, merges: int) -> None:
    here, walked = compared(vocabulary(tokens, merges))
    assert here < 1_800_000 and here < walked


AFTER: dict[str, Callable[[], list[bytes]]] = {
    "zero": lambda: [files.entry("tokenizer.ggml.bos_token_id", files.UINT32, 0)] * 2,
    "false": lambda: [files.entry("tokenizer.ggml.add_bos_token", files.BOOL, False)] * 3,
    "nothing": lambda: [files.entry("tokenizer.ggml.pre", files.STRING, "")] * 2,
    "a text": lambda: [files.entry("tokenizer.ggml.pre", files.STRING, "default")],
    "zeros": lambda: [files.entry("tokenizer.ggml.scores", files.ARRAY, (files.FLOAT32, [0.0] * 30_000))],
    "texts": lambda: [files.entry("tokenizer.ggml.merges", files.ARRAY, words(40_000, 5, seed=3))],
    "many texts": lambda: [files.entry("tokenizer.ggml.merges", files.ARRAY, words(150_000, 5, seed=3))],
    "few texts": lambda: [files.entry("tokenizer.ggml.added", files.ARRAY, words(3_000, 5, seed=3))],
    "tensors": lambda: [],
}
"""What follows → its entries, made when a test wants them: each worker imports this module."""


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("longest", [0, 40, -1])
def test_whatever_follows(after: str, longest: int) -> None:
    tokens = words(30_000, longest) if longest >= 0 else (files.STRING, words(30_000, 30)[1][::-1])
    here, walked = compared([files.entry("tokenizer.ggml.tokens", files.ARRAY, tokens), *AFTER[after]()])
    assert here < (2 * walked if after.endswith("texts") else walked)


TEXTS: dict[str, Callable[[int], str]] = {
    "empty": lambda n: "",
    "the same": lambda n: "token",
    "like keys": lambda n: "general.name",
    "zeros": lambda n: "\0" * (n % 9),
    "one that is long": lambda n: "x" * (100_000 if n == 30_000 else 5),
    "all of them long": lambda n: "x" * 300,
    "lengths in them": lambda n: "\5\0\0\0\0\0\0\0abcde" * (n % 3),
}


@pytest.mark.parametrize("texts", TEXTS)
def test_strange_texts(texts: str) -> None:
    tokens = (files.STRING, [TEXTS[texts](n) for n in range(40_000)])
    compared([files.entry("tokenizer.ggml.tokens", files.ARRAY, tokens), *AFTER["a text"]()])


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ROWS[::-1],
        [files.tensor_row("token_embd.weight", [32], 99, 0)],
    ],
    ids=["none", "in disorder", "of a new type"],
)
def test_tensors_that_prove_nothing(rows: list[bytes]) -> None:
    here, walked = compared(vocabulary(20_000, 20_000), rows)
    assert here > walked, "what is not proven must be read"


def test_what_is_not_a_model_is_not_read_twice() -> None:
    for data in (b"x" * 2_000_000, files.header([], [])[:16] + b"\xff" * 2_000_000):
        file = Counting(data)
        with pytest.raises(SidecarError):
            sparse_reader.read_header(file, len(data), "m.gguf")
        assert file.count < 300_000


def test_a_wrong_jump_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = []

    def wrong(self: Any, start: int, count: int) -> int:
        jumps.append(start)
        return start + 8 * count

    monkeypatch.setattr(sparse_reader._SparseReader, "_end_of_texts", wrong)
    compared(vocabulary(20_000, 20_000))
    assert jumps


def test_what_is_damaged_is_refused() -> None:
    whole = files.header(BEFORE + vocabulary(20_000, 20_000), ROWS)
    chance = random.Random(5)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(400)] = chance.choice((0, 1, 255, chance.randrange(256)))
        data = data[: chance.randrange(len(whole))] if chance.random() < 0.5 else data
        results: list[Any] = []
        for read in (reader.parse, sparse_reader.read_header):
            try:
                header = read(io.BytesIO(data), len(data), "m.gguf")
                header.read_bytes = 0
                results.append(described(header))
            except SidecarError as error:
                results.append((error.kind, error.problem))
        assert results[0] == results[1]
