"""`cacheDirectory`: a conversation is warm after its engine has ended, and a bad file costs nothing but time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Start
from driver import Message, Refused, Sidecar
from talk import MADE, SHORT, counted, said

from sidecar.core.context import state_file

pytestmark = pytest.mark.real

SIZE = 1024
PATIENCE_S = 30.0


class Program:
    """A program with one model and one context that keeps conversations in a folder."""

    def __init__(self, sidecar: Sidecar, path: str, folder: Path, **params: Any) -> None:
        self.sidecar = sidecar
        self.load: Message = {"path": path, **params.pop("load", {})}
        sidecar.call("loadModel", self.load)
        self.params = {"contextSize": SIZE, "threads": 1, "cacheDirectory": str(folder), **params}
        sidecar.call("createContext", {"modelId": "model-1", **self.params})

    def tokens(self, first: int) -> list[int]:
        text = counted(range(first, first + 60))
        found: list[int] = self.sidecar.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
        return found

    def say(self, prompt: list[int], context: str = "context-1") -> Message:
        asked = {"contextId": context, "prompt": prompt, "maxTokens": SHORT, "temperature": 0}
        result: Message = self.sidecar.call("complete", {**asked, "ignoreEos": True, "logprobs": True})
        return result

    def unload(self) -> None:
        """Wait until its engine has written and ended: it has much more time for that than at a shutdown."""
        pid = self.sidecar.engines()["model-1"]
        self.sidecar.call("unloadModel", {"modelId": "model-1"})
        wait_until(lambda: not psutil.pid_exists(pid))

    def cache(self) -> Message:
        (context,) = self.sidecar.call("status")["contexts"]
        cache: Message = context["cache"]
        return cache


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.conversation"))


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def origin(result: Message) -> str | None:
    found: str | None = result["usage"].get("cachedFrom")
    return found


@pytest.fixture(scope="module", params=MADE)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A made model of each kind."""
    return MADE[request.param](tmp_path_factory.mktemp("disk") / "made.gguf")


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return MADE["attention"](tmp_path_factory.mktemp("disk") / "made.gguf")


@pytest.fixture
def cold(plain_model: str, start: Start, tmp_path: Path) -> tuple[Path, list[int], Message]:
    """A folder with one conversation, its next turn, and what that says without the folder."""
    folder = tmp_path / "cache"
    first = Program(start(), plain_model, folder)
    prompt = first.tokens(1)
    turn = prompt + said(first.say(prompt)) + first.tokens(500)[:9]
    expected = first.say(turn)
    first.unload()
    assert len(files(folder)) == 1
    return folder, turn, expected


def test_a_conversation_is_warm_in_the_next_program(model: str, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    first = Program(start(), model, folder)
    prompt = first.tokens(1)
    turn = prompt + said(first.say(prompt)) + first.tokens(500)[:9]
    first.sidecar.call("createContext", {"modelId": "model-1", "contextSize": SIZE, "threads": 1})
    first.say(prompt, "context-2")
    expected = first.say(turn, "context-2")
    first.unload()
    assert [each.stat().st_mode & 0o077 for each in (folder, *files(folder))] == [0, 0]
    second = Program(start(), model, folder)
    result = second.say(turn)
    assert (result["usage"]["cachedTokens"], origin(result)) == (len(turn) - 10, "disk")
    assert said(result) == said(expected)
    assert origin(second.say(turn)) == "sequence"
    wait_until(lambda: second.cache()["diskHits"] == 1)
    second.unload()
    (longer,) = files(folder)  # it replaces the one that it begins with
    assert len(state_file.read_tokens(str(longer), SIZE).tokens) == len(turn) + SHORT - 1


def test_it_is_warm_after_an_idle_unload_and_after_it_is_unloaded(
    plain_model: str, start: Start, tmp_path: Path
) -> None:
    program = Program(start(), plain_model, tmp_path, load={"keepAliveMs": 1})
    prompt = program.tokens(1)
    program.say(prompt)
    wait_until(lambda: program.sidecar.call("status")["models"][0]["state"] == "unloaded")
    longer = prompt + program.tokens(500)
    assert origin(program.say(longer)) == "disk"
    program.sidecar.call("unloadModel", {"modelId": "model-1"})
    program.sidecar.call("loadModel", {"path": plain_model})
    program.sidecar.call("createContext", {"modelId": "model-2", **program.params})
    result = program.say(longer, "context-2")
    assert (origin(result), result["usage"]["cachedTokens"]) == ("disk", len(longer) - 1)


def test_two_programs_share_a_folder(plain_model: str, start: Start, tmp_path: Path) -> None:
    one, other = (Program(start(), plain_model, tmp_path) for _ in range(2))
    prompts = one.tokens(1), one.tokens(200)
    one.say(prompts[0])
    other.say(prompts[1])
    wait_until(lambda: len(files(tmp_path)) == 2)
    assert origin(one.say(prompts[1])) == "disk"
    assert origin(other.say(prompts[0])) == "disk"


def test_the_folder_has_a_limit_and_status_tells_its_size(
    plain_model: str, start: Start, tmp_path: Path
) -> None:
    program = Program(start(), plain_model, tmp_path, cacheDirectoryBytes=10**9, cacheBytes=0)
    prompts = [program.tokens(first)[:150] for first in (1, 200, 400)]
    program.say(prompts[0])
    wait_until(lambda: program.cache()["diskConversations"] == 1)
    size = program.cache()["diskBytes"]
    assert [each.stat().st_size for each in files(tmp_path)] == [size]
    program.sidecar.call("disposeContext", {"contextId": "context-1"})
    room = 2 * size + state_file.MAX_HEADER_BYTES
    program.sidecar.call(
        "createContext", {"modelId": "model-1", **program.params, "cacheDirectoryBytes": room}
    )
    (oldest,) = files(tmp_path)
    for prompt in prompts[1:]:
        program.say(prompt, "context-2")
    wait_until(lambda: len(files(tmp_path)) == 2 and not oldest.exists())
    assert origin(program.say(prompts[0], "context-2")) is None
    assert origin(program.say(prompts[1], "context-2")) == "disk"


# ---- bad files -----------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of(path: Path, **header: object) -> None:
    """Write the file again, complete, with another header."""
    state = state_file.read(str(path), 2**40, lambda: None)
    state.header |= header
    state_file.write(str(path), state, lambda: None)


def of_another_model(path: Path) -> None:
    of(path, model="0" * 64)


def of_another_build(path: Path) -> None:
    of(path, llamaCpp="b1")


def with_other_checkpoints(path: Path) -> None:
    of(path, checkpoints=[(5, 2**40)])


def with_tokens_that_are_none(path: Path) -> None:
    state = state_file.read(str(path), 2**40, lambda: None)
    state.tokens[-1] = 2**31 - 1
    state_file.write(str(path), state, lambda: None)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link(path: Path) -> None:
    target = path.with_suffix(".target")
    path.rename(target)
    path.symlink_to(target)


def of_somebody_else(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize(
    ("spoil", "is_deleted"),
    [
        (cut, True),
        (changed, True),
        (empty, True),
        (of_another_model, False),
        (of_another_build, False),
        (with_other_checkpoints, False),
        (with_tokens_that_are_none, False),
        (a_folder, False),
        (a_link, False),
        (of_somebody_else, False),
    ],
)
def test_a_bad_file_is_not_used(
    cold: tuple[Path, list[int], Message],
    spoil: Callable[[Path], None],
    is_deleted: bool,
    plain_model: str,
    start: Start,
) -> None:
    folder, turn, expected = cold
    (path,) = files(folder)
    spoil(path)
    program = Program(start(), plain_model, folder)
    engines = program.sidecar.engines()
    result = program.say(turn)
    assert (said(result), origin(result)) == (said(expected), None)
    assert os.path.lexists(path) != is_deleted
    assert origin(program.say(turn)) == "sequence", "the next request works"
    assert program.sidecar.engines() == engines


def test_a_folder_that_others_can_write_to_is_refused(plain_model: str, start: Start, tmp_path: Path) -> None:
    folder, file = tmp_path / "open", tmp_path / "file"
    folder.mkdir()
    folder.chmod(0o777)
    file.touch()
    sidecar = start()
    sidecar.call("loadModel", {"path": plain_model})
    for path in (folder, file, file / "under", "\0"):
        with pytest.raises(Refused) as refused:
            sidecar.call("createContext", {"modelId": "model-1", "cacheDirectory": str(path)})
        assert (refused.value.kind, refused.value.data["pointer"]) == (
            "directoryNotWritable",
            "/cacheDirectory",
        )
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": SIZE})


def test_a_folder_that_vanishes_costs_nothing(plain_model: str, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    program = Program(start(), plain_model, folder)
    prompt = program.tokens(1)
    shutil.rmtree(folder)  # before something is written
    program.say(prompt)
    warned = program.sidecar.wait_for(lambda m: m.get("method") == "info" and "cache" in str(m))
    assert warned["params"]["level"] == "warning"
    assert origin(program.say(prompt)) == "sequence"
