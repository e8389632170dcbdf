"""Strange surroundings: folders, locales, environments, and files that are no files."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import Start
from driver import environment
from process_work import COUNTED, count

pytestmark = pytest.mark.process


def link(source: str, target: Path) -> None:
    """Put a file somewhere else without its bytes, where that can be."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"LC_ALL": "C", "LANG": "C"},
        {"PYTHONIOENCODING": "cp1252"},
    ],
    ids=["as it is", "C locale", "cp1252"],
)
def test_it_runs_from_a_folder_with_any_name_in_any_locale(
    start: Start, model_path: str, tmp_path: Path, settings: dict[str, str]
) -> None:
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


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in the file system")
def test_a_named_pipe_as_a_model_blocks_nothing(start: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.gguf"
    os.mkfifo(fifo)
    sidecar = start()
    requests = [sidecar.send(method, {"path": str(fifo)}) for method in ("inspectModel", "loadModel")]
    for request in requests:
        assert sidecar.response(request, 20)["error"]["data"]["kind"] == "fileNotReadable"


def test_an_environment_with_nothing_in_it_will_do(start: Start, model_path: str) -> None:
    kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
    sidecar = start(env={name: os.environ[name] for name in kept if name in os.environ})
    sidecar.call("loadModel", {"path": model_path})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256})
    assert count(sidecar) == COUNTED
