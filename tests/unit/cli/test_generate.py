"""What `chat`, `complete`, `embed` and `rerank` print, read and remember. models/test_chat.py types at a terminal."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.arguments import parse
from sidecar.cli.command import Refusal
from sidecar.cli.generate import line_editor, texts
from sidecar.cli.generate.answer import Answer
from sidecar.cli.generate.arguments import sampling
from sidecar.cli.generate.line_editor import HistoryFile
from sidecar.cli.shown.bar import ProgressBar
from sidecar.cli.shown.terminal import dims, speakable


class Stream(io.StringIO):
    """A terminal, or a pipe."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


PIECES = [("reasoning", "Hm"), ("reasoning", "m.\n"), ("text", "Yes"), ("toolCall", "{}"), ("text", ".")]


def printed(terminal: bool, pieces: list[tuple[str, str]] = PIECES, **settings: Any) -> str:
    stream = Stream(terminal)
    answer = Answer(stream, ProgressBar(Stream(False)), **settings)
    for segment, delta in pieces:
        answer.notified("progress", {"progressType": "generate", "segment": segment, "delta": delta})
    answer.end()
    return stream.getvalue()


def test_thoughts_look_different_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("WT_SESSION", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert printed(True) == "\x1b[2mHmm.\n\x1b[22m\n\nYes.\n"
    assert printed(True, PIECES[:2]) == "\x1b[2mHmm.\n\x1b[22m\n"
    assert printed(False) == "(thoughts)\nHmm.\n\n(end of the thoughts)\n\nYes.\n"
    assert printed(True, thoughts=False) == printed(False, thoughts=False) == "Yes.\n"
    assert printed(True, shows=False) == printed(True, []) == ""
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        assert not dims(Stream(True))


def test_an_answer_cannot_control_the_terminal() -> None:
    harmful = "a\x1b[2Jb\x07\r\n\x9bc\u202ed\u2066\tü模👩\u200d🚀\u00a0"
    assert speakable(harmful) == "a?[2Jb?\n?c?d?\tü模👩\u200d🚀\u00a0"
    assert printed(True, [("text", "\x1b[2J")], thoughts=False) == "?[2J\n"
    assert printed(False, [("text", "\x1b[2J")], thoughts=False) == "\x1b[2J\n"


def test_the_history_is_bounded_and_stands_bad_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_editor, "MAX_ENTRIES", 3)
    file = tmp_path / "new" / "history.jsonl"
    for number in range(7):
        HistoryFile(str(file)).store_string(f"äöü {number}\nand more")
    HistoryFile(str(file)).store_string("x" * (line_editor.MAX_ENTRY_CHARS + 1))
    kept = list(HistoryFile(str(file)).load_history_strings())
    assert kept == [f"äöü {number}\nand more" for number in (6, 5, 4)]
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3
    file.write_bytes(b'"first"\nnonsense\n{}\n\xff\n"last"')
    monkeypatch.setattr(line_editor, "MAX_ENTRIES", 10)
    assert list(HistoryFile(str(file)).load_history_strings()) == ["last", "first"]
    nowhere = HistoryFile(str(tmp_path))  # a folder
    nowhere.store_string("a")
    assert list(nowhere.load_history_strings()) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a\n\xff\n", "line 2 of stdin is not UTF-8: byte 0"),
        (b"a\n\r\n", "line 2 of stdin is empty"),
        (b"a\n" + b"x" * 21, "line 2 of stdin has more than 20 bytes"),
    ],
)
def test_texts_on_stdin_that_are_none(data: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_TEXT_BYTES", 20)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    read = texts.texts(argparse.Namespace(texts=[], files=False))
    assert next(read) == "a"
    with pytest.raises(Refusal, match=said):
        next(read)


@pytest.mark.parametrize("data", [b"a\r\nb", b"a\r\nb\n", b"a\r\nb\r\n", b"\xef\xbb\xbfa\r\nb"])
def test_all_of_stdin_comes_without_its_last_newline(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert texts.whole_stdin() == "a\r\nb"


def test_words_may_come_before_and_after_options(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("embed m a b --json", "embed --json m a b", "embed m --json a b", "embed m a --json b"):
        options = parse(line.split())
        assert (options.model, options.texts, options.json) == ("m", ["a", "b"], True)
    assert parse(["rerank", "m", "q", "--top-n", "2", "a", "b"]).texts == ["a", "b"]
    for line in ("complete m a --seed 1", "complete m --seed 1 a", "complete --seed 1 m a"):
        options = parse(line.split())
        assert (options.model, options.prompt, options.seed) == ("m", "a", 1)
    for line in (
        "complete m a --seed 1 b",
        "complete m --seed 1 a b",
        "embed m --wrong a",
        "list --json a",
        "pull m n",
    ):
        with pytest.raises(SystemExit):
            parse(line.split())
        assert "unrecognized arguments" in capsys.readouterr().err


def test_params_are_members_of_the_request() -> None:
    options = parse(["complete", "m", "a", "--params", json.dumps({"topK": 3, "seed": 1}), "--seed", "2"])
    assert options.params == {"topK": 3, "seed": 1}
    assert sampling(options) == {"topK": 3, "seed": 2}
