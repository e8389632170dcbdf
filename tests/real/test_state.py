"""A conversation's cache is saved to a file and restored; any other file gives an error and does no harm."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from conftest import Start
from driver import Refused, Sidecar
from process_work import ENDLESS, cut_after

pytestmark = pytest.mark.real

GREEDY: dict[str, Any] = {"temperature": 0}
COUNT = "1, 2, 3, 4, 5,"
COUNTED = " 6, 7, 8, 9, 10"
FIRST = [{"role": "user", "content": "Count from 1 to 20."}]
SECOND = [
    *FIRST,
    {"role": "assistant", "content": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"},
    {"role": "user", "content": "Go on."},
]
MAGIC = b"LSSTATE\n"
Make = Callable[..., str]


def saved(sidecar: Sidecar, context: str, path: Path) -> dict[str, Any]:
    """Count in the context and save that."""
    sidecar.call("complete", {"contextId": context, "prompt": COUNT, "maxTokens": 15, **GREEDY})
    result: dict[str, Any] = sidecar.call("saveState", {"contextId": context, "path": str(path)})
    return result


def rewritten(path: Path, header: Callable[[dict[str, Any]], None], data: Callable[[bytes], bytes]) -> None:
    """Change a file and give it a checksum that is right."""
    whole = path.read_bytes()
    (size,) = struct.unpack_from("<I", whole, len(MAGIC))
    start = len(MAGIC) + 4
    fields = json.loads(whole[start : start + size])
    tokens_end = start + size + 4 * fields["tokens"]
    state = data(whole[tokens_end:-32])
    fields["stateBytes"] = len(state)
    header(fields)
    head = json.dumps(fields).encode()
    body = MAGIC + struct.pack("<I", len(head)) + head + whole[start + size : tokens_end] + state
    path.write_bytes(body + hashlib.sha256(body).digest())


def assert_refused(sidecar: Sidecar, context: str, path: Path, kind: str) -> dict[str, Any]:
    with pytest.raises(Refused) as refused:
        sidecar.call("restoreState", {"contextId": context, "path": str(path)})
    assert (refused.value.kind, refused.value.data["pointer"]) == (kind, "/path")
    return refused.value.data


# ---- there and back ----------------------------------------------------------------------------------


def test_a_second_turn_in_a_new_program_pays_only_for_its_new_tokens(
    real: Sidecar, start: Start, model_path: str, fresh: Make, tmp_path: Path
) -> None:
    file = tmp_path / "chat.state"
    context = fresh()
    first = real.call("chat", {"contextId": context, "messages": FIRST, "maxTokens": 8, **GREEDY})["usage"]
    result = real.call("saveState", {"contextId": context, "path": str(file), "messages": FIRST})
    assert result["path"] == str(file)
    assert result["sizeBytes"] == file.stat().st_size
    assert result["tokens"] >= first["promptTokens"] + first["completionTokens"] - 1
    assert 0 < result["matchedTokens"] <= first["promptTokens"]
    assert list(tmp_path.iterdir()) == [file]
    other = start()
    other.call("loadModel", {"path": model_path})
    other.call("createContext", {"modelId": "model-1", "contextSize": 512})
    restored = other.call("restoreState", {"contextId": "context-1", "path": str(file)})
    assert restored["tokens"] == result["tokens"]
    turn = {"contextId": "context-1", "messages": SECOND, "maxTokens": 16, **GREEDY}
    after = other.call("chat", turn)
    expected = real.call("chat", {**turn, "contextId": fresh()})
    assert after["message"] == expected["message"]
    assert after["usage"]["cachedTokens"] >= first["promptTokens"] - 1
    assert expected["usage"]["cachedTokens"] == 0


def test_the_request_behind_a_restore_finds_the_state(real: Sidecar, fresh: Make, tmp_path: Path) -> None:
    file = tmp_path / "count.state"
    tokens = saved(real, fresh(), file)["tokens"]
    context = fresh()
    restoring = real.send("restoreState", {"contextId": context, "path": str(file)})
    params = {"contextId": context, "prompt": COUNT + COUNTED + ",", "maxTokens": 4, **GREEDY}
    result = real.call("complete", params)
    assert real.result(restoring)["tokens"] == tokens
    assert result["usage"]["cachedTokens"] == tokens
    assert result["text"].startswith(" 11,")


def test_the_conversation_that_is_named_is_the_one_that_is_saved(
    real: Sidecar, fresh: Make, tmp_path: Path
) -> None:
    context, file = fresh(sequences=2), tmp_path / "x.state"
    for prompt in (COUNT, "Once upon a time"):
        real.call("complete", {"contextId": context, "prompt": prompt, "maxTokens": 4, **GREEDY})
    params = {"contextId": context, "path": str(file)}
    named = real.call("saveState", {**params, "prompt": COUNT})
    last = real.call("saveState", params)
    assert named["matchedTokens"] == 14
    assert (named["tokens"], last["tokens"], last["matchedTokens"]) == (17, 7, None)
    with pytest.raises(Refused) as refused:
        real.call("saveState", {**params, "prompt": "The capital of France"})
    assert refused.value.kind == "notCached"
    with pytest.raises(Refused) as refused:
        real.call("saveState", {**params, "prompt": COUNT, "messages": FIRST})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("invalidParams", "/messages")


def test_saving_while_a_stream_runs_leaves_it_as_it_was(real: Sidecar, fresh: Make, tmp_path: Path) -> None:
    context = fresh()
    params = {"contextId": context, "prompt": COUNT, **ENDLESS}
    alone = real.call("complete", {**params, "maxTokens": 40})["text"]
    stream = real.send("complete", params)
    real.wait_progress(stream, "generate")
    result = real.call("saveState", {"contextId": context, "path": str(tmp_path / "x.state")})
    assert result["tokens"] >= 14
    with pytest.raises(Refused) as refused:
        real.call("restoreState", {"contextId": context, "path": str(tmp_path / "x.state")})
    assert refused.value.kind == "overloaded", "its only sequence is in use"
    assert cut_after(real, stream, len(alone))["text"].startswith(alone)


# ---- what is not such a file ----------------------------------------------------------------------------


def test_a_file_that_is_cut_or_changed_anywhere_is_damaged(
    real: Sidecar, fresh: Make, tmp_path: Path
) -> None:
    file, context = tmp_path / "x.state", fresh()
    saved(real, context, file)
    whole = file.read_bytes()
    chance = random.Random(1)
    lengths = [0, 1, 7, 8, 11, 12, 40, 300, len(whole) // 2, len(whole) - 32, len(whole) - 1]
    changed = [whole[:length] for length in lengths] + [whole + b"\0", whole[1:], b"\0" * len(whole)]
    places = [*range(0, 16, 3), *(chance.randrange(len(whole)) for _ in range(20)), len(whole) - 1]
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        changed.append(bytes(flipped))
    for content in changed:
        file.write_bytes(content)
        assert_refused(real, context, file, "stateDamaged")
    file.write_bytes(whole)
    real.call("restoreState", {"contextId": context, "path": str(file)})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 60000,
        b'{"tokens": 1}',
        b'{"tokens": -1, "stateBytes": 0}',
        b'{"tokens": 1e9, "stateBytes": 0}',
        b'{"tokens": true, "stateBytes": 1}',
    ],
)
def test_a_header_with_nonsense_is_damaged(real: Sidecar, fresh: Make, tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "x.state"
    body = MAGIC + struct.pack("<I", len(text)) + text
    file.write_bytes(body + hashlib.sha256(body).digest())
    assert_refused(real, fresh(), file, "stateDamaged")


def test_a_file_of_another_model_context_or_release_does_not_fit(
    real: Sidecar, fresh: Make, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "x.state"
    saved(real, fresh(), file)
    for params in ({"kvCacheType": "q8_0"}, {"flashAttention": False}, {"sequences": 2}):
        assert_refused(real, fresh(**params), file, "stateMismatch")
    other = start()
    other.call("loadModel", {"path": gguf_files.tiny_model(tmp_path / "tiny.gguf")})
    other.call("createContext", {"modelId": "model-1", "contextSize": 256})
    assert "model" in assert_refused(other, "context-1", file, "stateMismatch")["cause"]
    for name, value in [("llamaCpp", "b1"), ("format", 2), ("unknown", 1)]:
        copy = tmp_path / "copy.state"
        copy.write_bytes(file.read_bytes())
        rewritten(copy, lambda header, n=name, v=value: header.update({n: v}), lambda data: data)
        assert name in assert_refused(real, fresh(), copy, "stateMismatch")["cause"]


def test_a_file_longer_than_the_context_does_not_fit(real: Sidecar, fresh: Make, tmp_path: Path) -> None:
    file, context = tmp_path / "x.state", fresh()
    real.call("complete", {"contextId": context, "prompt": "word " * 300, "maxTokens": 1, **GREEDY})
    real.call("saveState", {"contextId": context, "path": str(file)})
    assert_refused(real, fresh(contextSize=256), file, "stateMismatch")


def test_made_up_bytes_with_a_right_checksum_do_no_harm(real: Sidecar, fresh: Make, tmp_path: Path) -> None:
    """The checksum is right, so llama.cpp itself must refuse them."""
    file, context = tmp_path / "x.state", fresh()
    saved(real, context, file)
    whole = file.read_bytes()
    for change in (
        lambda data: b"",
        lambda data: data[:-100],
        lambda data: data + b"\0" * 100,
        lambda data: data[:4] + b"\xff" * 64 + data[68:],
        lambda data: b"\0" * len(data),
    ):
        file.write_bytes(whole)
        rewritten(file, lambda header: None, change)
        assert_refused(real, context, file, "stateMismatch")
    params = {"contextId": context, "prompt": COUNT, "maxTokens": 15, **GREEDY}
    assert real.call("complete", params)["text"] == COUNTED


def test_what_cannot_be_read_or_written_is_reported(real: Sidecar, fresh: Make, tmp_path: Path) -> None:
    context = fresh()
    assert_refused(real, context, tmp_path / "none.state", "fileNotFound")
    assert_refused(real, context, tmp_path, "fileNotReadable")
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        assert_refused(real, context, tmp_path / "pipe", "fileNotReadable")
    saved(real, context, tmp_path / "x.state")
    for path in (tmp_path / "no" / "folder" / "x.state", tmp_path):
        with pytest.raises(Refused) as refused:
            real.call("saveState", {"contextId": context, "path": str(path)})
        assert (refused.value.kind, refused.value.data["pointer"]) == ("directoryNotWritable", "/path")
    assert not list(tmp_path.glob("*.part"))
