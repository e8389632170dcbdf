"""llama.cpp's log: what goes to ours, and which error explains a failure."""

from __future__ import annotations

import pytest

from sidecar.core.llama.log import ERROR, LlamaLog
from sidecar.message_handler import log


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    monkeypatch.setattr(log, "_threshold", log.LEVELS["info"])
    monkeypatch.setattr(log, "log", lambda level, text, **_: lines.append((level, text)))
    return lines


def test_the_first_error_is_the_cause(written: list[tuple[str, str]]) -> None:
    llama_log = LlamaLog()
    assert llama_log.first_error() == "llama.cpp gave no reason"
    llama_log(3, b"a warning\n")
    llama_log(ERROR, b"no memory\n")
    llama_log(ERROR, b"failed to load\n")
    assert llama_log.first_error() == "no memory"
    llama_log.clear()
    assert llama_log.first_error() == "llama.cpp gave no reason"
    assert written == [("info", "a warning"), ("info", "no memory"), ("info", "failed to load")]


def test_an_error_counts_where_the_log_does_not_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_threshold", log.LEVELS["error"])
    llama_log = LlamaLog()
    llama_log(ERROR, b"no memory\n")
    assert llama_log.first_error() == "no memory"


def test_debug_lines_and_dots_of_progress_are_left_out(written: list[tuple[str, str]]) -> None:
    llama_log = LlamaLog()
    llama_log(2, b"print_info: arch = llama\n")
    llama_log(3, b"......\n")
    llama_log(3, b"\n")
    assert written == []


def test_bytes_that_are_not_text_do_no_harm(written: list[tuple[str, str]]) -> None:
    LlamaLog()(3, b"\xff!\n")
    assert written == [("info", "\ufffd!")]
