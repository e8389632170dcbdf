"""A long text goes to llama.cpp in pieces, and gets the tokens that it gets at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf_files
import pytest
import vocabularies

from sidecar.core import jobs
from sidecar.core.llama.bindings import lib
from sidecar.core.model import tokenizer
from sidecar.core.model.tokenizer import PIECE_CHARS, SHORT_PIECE_CHARS, Tokenizer
from sidecar.message_handler.errors import SidecarError

Make = Callable[..., Tokenizer]


@pytest.fixture
def of_file() -> Iterator[Make]:
    """Makes the tokenizer of a file's vocabulary."""
    models = []

    def make(path: str, pre_tokenizer: str | None = None) -> Tokenizer:
        options = lib.llama_model_default_params()
        options.vocab_only = True
        models.append(lib.llama_model_load_from_file(path.encode(), options))
        return Tokenizer(lib.llama_model_get_vocab(models[-1]), pre_tokenizer)

    yield make
    for model in models:
        lib.llama_model_free(model)


def lines(line: str) -> str:
    """Lines for a bit more than two pieces."""
    return "".join(f"{line} {number}\n" for number in range(3 * PIECE_CHARS // len(line)))


TEXTS = {
    "code": lines("    if (a_1 != b):  # why"),
    "words": lines("many plain words in one line").replace("\n", " "),
    "Chinese": lines("中文字符，没有空格。"),
    "control tokens": lines("</s><|end|>assistant\n"),
    "one letter": "A" * 3 * PIECE_CHARS,
    "blank lines": "\n" * 3 * PIECE_CHARS,
    "emoji": "😀" * 2 * PIECE_CHARS,
}
FOR_THE_STACK = ("words", "one letter", "blank lines", "emoji")
LONGEST_S = 60.0

VOCABULARIES: dict[str, Callable[[Path], str]] = {
    "byte pairs": lambda path: vocabularies.byte_pair_model(path, "llama-bpe"),
    "bytes": gguf_files.tiny_model,
    "bytes after a space": lambda path: gguf_files.tiny_model(
        path, tokenizer__ggml__add_space_prefix=(gguf_files.BOOL, True)
    ),
    "both ends": lambda path: gguf_files.tiny_model(
        path, tokenizer__ggml__add_eos_token=(gguf_files.BOOL, True)
    ),
}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_pieces_give_the_tokens_of_the_whole(
    of_file: Make, tmp_path: Path, vocabulary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "PIECE_CHARS", 1024)
    path = VOCABULARIES[vocabulary](tmp_path / "tiny.gguf")
    in_pieces = of_file(path)
    monkeypatch.setattr(tokenizer, "PIECE_CHARS", 1 << 30)
    at_once = of_file(path)
    for name, text in TEXTS.items():
        text = text[:5000]
        for add_special in (False, True):
            for parse_special in (False, True):
                asked = (text, add_special, parse_special)
                assert in_pieces.tokenize(*asked) == at_once.tokenize(*asked), (name, asked[1:])


@pytest.mark.parametrize("pre_tokenizer", ["gpt-4o", "deepseek-llm", "exaone-moe"])
def test_no_text_is_too_long_for_the_stack(of_file: Make, tmp_path: Path, pre_tokenizer: str) -> None:
    path = vocabularies.byte_pair_model(tmp_path / "tiny.gguf", pre_tokenizer)
    made = of_file(path, pre_tokenizer)
    done: queue.SimpleQueue[list[bool]] = queue.SimpleQueue()

    def tokenize() -> None:
        done.put([bool(made.tokenize(TEXTS[name], False, True)) for name in FOR_THE_STACK])

    jobs.start_thread(tokenize, "as in an engine")  # the main thread of Windows has 2 MB
    assert done.get(timeout=LONGEST_S) == [True] * len(FOR_THE_STACK)


@pytest.mark.parametrize(
    ("pre_tokenizer", "text"), [("deepseek-llm", " " * 60_000 + "中"), ("superbpe", "1" * 60_000)]
)
def test_pieces_are_short_where_the_time_grows_with_the_square(
    of_file: Make, tmp_path: Path, pre_tokenizer: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = of_file(vocabularies.byte_pair_model(tmp_path / "tiny.gguf", pre_tokenizer), pre_tokenizer)
    lengths = []
    monkeypatch.setattr(made, "_call", lambda piece, *_: lengths.append(len(piece)) or [])
    made.tokenize(text, False, False)
    assert max(lengths) <= SHORT_PIECE_CHARS
    assert sum(lengths) == len(text)


def test_a_text_has_a_limit_of_tokens(of_file: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "MAX_TOKENS", PIECE_CHARS)
    made = of_file(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    assert len(made.tokenize("x" * PIECE_CHARS, False, False)) == PIECE_CHARS
    with pytest.raises(SidecarError) as raised:
        made.tokenize("x" * 2 * PIECE_CHARS, False, False)
    assert raised.value.kind == "promptTooLong"
    assert raised.value.details["allowed"] == {"maximum": PIECE_CHARS}


@pytest.mark.parametrize(("params", "cancel"), [({}, True), ({"timeoutMs": 0}, False)])
def test_between_two_pieces_it_can_be_stopped(
    of_file: Make, tmp_path: Path, params: dict[str, Any], cancel: bool
) -> None:
    made = of_file(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    sent: list[bytes] = []
    writer: Any = SimpleNamespace(send=lambda line, wake=True: sent.append(line))
    job = jobs.Jobs(writer).open(1, "tokenize", params)
    calls: list[str] = []

    def call(piece: str, *_: object) -> list[int]:
        calls.append(piece)
        job.cancelled = cancel
        return []

    made._call = call  # type: ignore[method-assign]
    thread = threading.Thread(
        target=lambda: job.run(lambda: {"tokens": made.tokenize("x" * 99_999, False, False)})
    )
    thread.start()
    thread.join()
    assert len(calls) <= 1
    assert (b"aborted" if cancel else b"timedOut") in sent[0]
