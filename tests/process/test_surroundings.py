"""Unusual surroundings: folders, locales, environments, and paths that are not files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from conftest import Start
from download_work import surroundings
from driver import Sidecar, environment
from process_work import COUNTED, count, load

pytestmark = pytest.mark.process

DOCTOR_S = 120.0
NOWHERE = "http://127.0.0.1:9"
PIPES = 4
"""Instances of a named pipe of Windows: as many may open it."""


def link(source: str, target: Path) -> None:
    """Put a file somewhere else, as a hard link where that is possible."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


@pytest.fixture
def cp1252(tmp_path: Path) -> dict[str, str]:
    """The environment of a console whose code page is 1252, in which few of the names here can be written."""
    name = "en_US.CP1252"
    if sys.platform == "linux":
        if shutil.which("localedef") is None:
            pytest.skip("makes a locale with localedef")
        made = tmp_path / "locales" / name
        made.parent.mkdir()
        subprocess.run(["localedef", "-i", "en_US", "-f", "CP1252", str(made)], check=False)
        if not made.exists():
            pytest.skip("has no sources of locales")
    places = {"LOCPATH": str(tmp_path / "locales"), "LC_ALL": name, "LANG": name}
    return {**places, "PYTHONIOENCODING": "cp1252"}


SETTINGS: dict[str, dict[str, str]] = {"as it is": {}, "C locale": {"LC_ALL": "C", "LANG": "C"}}


# From source, names of files are the locale's; a frozen program takes UTF-8 everywhere.
@pytest.mark.parametrize(
    "locale", [*SETTINGS, pytest.param("cp1252", marks=pytest.mark.form("onedir", "onefile"))]
)
def test_it_runs_from_a_folder_with_any_name_in_any_locale(
    request: pytest.FixtureRequest, start: Start, model_path: str, tmp_path: Path, locale: str
) -> None:
    settings = SETTINGS[locale] if locale in SETTINGS else request.getfixturevalue(locale)
    folder = tmp_path / "Ordner mit Ümläuten 模型 🦊"
    folder.mkdir()
    link(model_path, folder / "mödel 模型.gguf")
    env = environment(**settings)
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME"):
        env.pop(name, None)
    sidecar = start(cwd=folder, env=env)
    sidecar.call("loadModel", {"path": "mödel 模型.gguf"})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    assert count(sidecar) == COUNTED
    inspected = sidecar.call("inspectModel", {"path": "mödel 模型.gguf"})
    assert Path(inspected["path"]) == folder / "mödel 模型.gguf"
    text = "Grüße, 世界 🦊\u2028"
    tokens = sidecar.call("tokenize", {"modelId": "model-1", "text": text})["tokens"]
    assert sidecar.call("detokenize", {"modelId": "model-1", "tokens": tokens})["text"] == text
    assert sidecar.log() == ""


def test_relative_paths_start_at_the_models_directory(start: Start, model_path: str, tmp_path: Path) -> None:
    folder = tmp_path / "my models"
    folder.mkdir()
    link(model_path, folder / "a.gguf")
    sidecar = start(cwd=tmp_path)
    sidecar.call("init", {"modelsDirectory": "my models"})
    assert Path(sidecar.call("inspectModel", {"path": "a.gguf"})["path"]) == folder / "a.gguf"
    assert sidecar.call("loadModel", {"path": "a.gguf"})["modelId"] == "model-1"


def make_pipe(folder: Path) -> str:
    """A named pipe, to which nobody writes; its path. On Windows it is there until this process ends."""
    if sys.platform == "win32":
        import _winapi

        path = rf"\\.\pipe\{folder.parent.name}-{folder.name}"
        both, any_number = _winapi.PIPE_ACCESS_DUPLEX, _winapi.PIPE_UNLIMITED_INSTANCES
        for _ in range(PIPES):
            _winapi.CreateNamedPipe(path, both, _winapi.PIPE_WAIT, any_number, 0, 0, 0, _winapi.NULL)
        return path
    os.mkfifo(folder / "pipe.gguf")
    return str(folder / "pipe.gguf")


def test_a_named_pipe_as_a_model_blocks_nothing(start: Start, tmp_path: Path) -> None:
    fifo = make_pipe(tmp_path)
    sidecar = start()
    requests = [sidecar.send(method, {"path": fifo}) for method in ("inspectModel", "loadModel")]
    for request in requests:
        assert sidecar.response(request)["error"]["data"]["kind"] == "fileNotReadable"


def test_it_runs_with_an_empty_environment(start: Start, model_path: str) -> None:
    kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
    sidecar = start(env={name: os.environ[name] for name in kept if name in os.environ})
    sidecar.call("loadModel", {"path": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    assert count(sidecar) == COUNTED


@pytest.fixture
def cut_off() -> list[str]:
    """The start of a command that has no network, not even loopback."""
    command = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode != 0:
        pytest.skip("may not take the network away here")
    return command


def test_it_needs_no_network(cut_off: list[str], program: list[str], model_path: str, tmp_path: Path) -> None:
    sidecar = Sidecar([*cut_off, *program], stderr=tmp_path / "stderr.txt")
    try:
        load(sidecar, model_path)
        assert count(sidecar) == COUNTED
        for process in sidecar.family():
            assert psutil.Process(process.pid).net_connections() == []
    finally:
        assert sidecar.end() == []


def test_without_a_network_the_doctor_misses_only_the_hub(
    cut_off: list[str], program: list[str], tmp_path: Path
) -> None:
    command = [*cut_off, *program, "doctor", "--json", "--models-directory", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, env=surroundings(tmp_path), timeout=DOCTOR_S, check=True
    )
    found = {each["check"]: each["status"] for each in json.loads(done.stdout)["findings"]}
    assert found["hub"] == "warning"
    assert found["self-test"] == "ok"


def test_the_doctor_speaks_to_a_console_that_lacks_its_letters(
    cp1252: dict[str, str], program: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "Ümläute 模型"
    folder.mkdir()
    command = [*program, "doctor", "--endpoint", NOWHERE, "--models-directory", str(folder)]
    env = surroundings(tmp_path, **cp1252)
    done = subprocess.run(command, capture_output=True, env=env, cwd=folder, timeout=DOCTOR_S, check=False)
    assert done.returncode == 0, done.stderr
    assert b"ok       self-test" in done.stdout and b" models " in done.stdout
    assert not done.stderr
