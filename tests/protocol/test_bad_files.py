"""A bad model file gives a typed error, and the next line works."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import gguf_files
import pytest
from damaged_files import DamagedCopy
from driver import Refused, Sidecar
from protocol_cases import FILE_ERRORS, attempt, refused

from sidecar.models.gguf.reader import read_header

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("next_line_works")]

Start = Callable[..., Sidecar]


@pytest.fixture(params=["inspectModel", "loadModel"])
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_paths_without_a_model_are_refused(shared: Sidecar, method: str, tmp_path: Path) -> None:
    empty, text, cut = tmp_path / "empty.gguf", tmp_path / "text.gguf", tmp_path / "cut.gguf"
    empty.touch()
    text.write_text("This is not a model.", encoding="utf-8")
    gguf_files.tiny_model(cut)
    os.truncate(cut, cut.stat().st_size // 2)
    for path, kinds in (
        (tmp_path / "none.gguf", {"fileNotFound"}),
        (text / "below", {"fileNotFound"}),
        (tmp_path, {"fileNotReadable"}),
        (empty, {"notGguf"}),
        (text, {"notGguf"}),
        (cut, {"modelDamaged"}),
        ("with\0nul", {"fileNotFound"}),
        ("lone \ud800 surrogate", {"fileNotFound"}),
        ("x" * 10_000, {"fileNotFound" if sys.platform == "win32" else "fileNotReadable"}),
    ):
        error = refused(shared, method, {"path": str(path)})
        assert error.kind in kinds, path
        assert error.data["pointer"] == "/path"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_instead_of_a_model_is_refused_without_waiting(
    shared: Sidecar, method: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(shared, method, {"path": str(tmp_path / "pipe")}).kind == "fileNotReadable"


@pytest.mark.parametrize("name", ["Modèle 模型 😀.gguf", "with space & 'quotes'.gguf"])
def test_an_unusual_path_works(shared: Sidecar, tmp_path: Path, name: str) -> None:
    path = gguf_files.tiny_model(tmp_path / name)
    assert shared.call("inspectModel", {"path": path})["path"] == path
    model = shared.call("loadModel", {"path": path})
    assert model["name"] == "Tiny"
    assert path in [m["path"] for m in shared.call("status")["models"]]
    shared.call("unloadModel", {"modelId": model["modelId"]})


@pytest.mark.skipif(sys.platform == "win32", reason="links take a right there that users do not have")
def test_a_link_to_a_model_works(shared: Sidecar, tmp_path: Path) -> None:
    (tmp_path / "link.gguf").symlink_to(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    assert attempt(shared, str(tmp_path / "link.gguf")) == "loaded"


def test_relative_paths_start_at_the_models_directory(shared: Sidecar, tmp_path: Path) -> None:
    path = gguf_files.tiny_model(tmp_path / "relative.gguf")
    shared.call("init", {"modelsDirectory": str(tmp_path)})
    assert shared.call("inspectModel", {"path": "relative.gguf"})["path"] == path
    shared.call("init")
    assert refused(shared, "inspectModel", {"path": "relative.gguf"}).kind == "fileNotFound"


def test_metadata_that_json_cannot_express_can_be_inspected(shared: Sidecar, tmp_path: Path) -> None:
    path = tmp_path / "nan.gguf"
    entries = [gguf_files.entry("not.a.number", gguf_files.FLOAT32, float("nan"))]
    path.write_bytes(gguf_files.header(entries, []))
    assert shared.call("inspectModel", {"path": str(path)})["metadata"] == {"not.a.number": "nan"}


def test_requests_for_a_model_that_did_not_load_get_an_error(start: Start, tmp_path: Path) -> None:
    sidecar = start()
    load = sidecar.send("loadModel", {"path": str(tmp_path / "none.gguf")})
    context = sidecar.send("createContext", {"modelId": "model-1"})
    complete = sidecar.send("complete", {"contextId": "context-1", "prompt": "x"})
    kinds = [sidecar.response(each)["error"]["data"]["kind"] for each in (load, context, complete)]
    assert kinds[:2] == ["fileNotFound", "modelNotFound"]
    assert kinds[2] in ("modelNotFound", "contextNotFound")
    assert sidecar.call("status")["models"] == []
    path = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    assert sidecar.call("loadModel", {"path": path})["modelId"] == "model-2"


@pytest.fixture(scope="module")
def damaged_tiny(tmp_path_factory: pytest.TempPathFactory) -> DamagedCopy:
    folder = tmp_path_factory.mktemp("damaged")
    source = gguf_files.tiny_model(folder / "source.gguf")
    return DamagedCopy(source, folder / "damaged.gguf", read_header(source).data_start)


ABORTING_SEEDS = (73, 115, 129)
"""Seeds with which llama.cpp calls abort(), found among the first hundreds."""


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_damaged_headers_are_loaded_or_refused_and_crash_nothing(
    shared: Sidecar, damaged_tiny: DamagedCopy, first: int
) -> None:
    outcomes = []
    for seed in range(first, first + 10):
        damaged_tiny.flip(seed)
        outcomes.append(attempt(shared, damaged_tiny.path))
    assert set(outcomes) & FILE_ERRORS, "none of them did any harm"


@pytest.mark.parametrize("seed", ABORTING_SEEDS)
def test_a_file_that_makes_llama_cpp_abort_costs_one_engine(
    shared: Sidecar, damaged_tiny: DamagedCopy, seed: int
) -> None:
    damaged_tiny.flip(seed)
    with pytest.raises(Refused) as caught:
        shared.call("loadModel", {"path": damaged_tiny.path})
    assert caught.value.kind in FILE_ERRORS
    aborted = "exit status 3" if sys.platform == "win32" else "SIGABRT"
    assert aborted in caught.value.data["cause"], "llama.cpp has learned to refuse it; find another seed"
    damaged_tiny.repair()
    assert attempt(shared, damaged_tiny.path) == "loaded"


def test_the_real_model_with_a_damaged_header_is_loaded_or_refused(
    shared: Sidecar, model_path: str, tmp_path: Path
) -> None:
    header = read_header(model_path)
    copy = DamagedCopy(model_path, tmp_path / "damaged.gguf", header.data_start)
    outcomes = []
    # Half in the first keys, half in the tensor table: nearly everything between them is the vocabulary.
    for seed, within in enumerate([(0, 1500), (header.data_start - 16_000, header.data_start)] * 4):
        copy.flip(seed, bits=2, within=within)
        outcomes.append(attempt(shared, copy.path))
    assert set(outcomes) & FILE_ERRORS, "none of them did any harm"
    copy.repair()
    assert attempt(shared, copy.path) == "loaded"


def test_a_split_model_that_is_not_whole_says_what_is_wrong(shared: Sidecar, tmp_path: Path) -> None:
    first, second, third = gguf_files.split_model(tmp_path / "tiny", 3)
    assert attempt(shared, str(first)) == "loaded"
    (tmp_path / "joined.gguf").write_bytes(b"".join(p.read_bytes() for p in (first, second, third)))
    third.unlink()
    for path, why in (
        (second, "part 2 of 3"),
        (first, "beside it is no"),
        (tmp_path / "joined.gguf", "joined"),
    ):
        for method in ("loadModel", "estimateModel"):
            error = refused(shared, method, {"path": str(path)})
            assert (error.kind, error.data["pointer"]) == ("modelIncomplete", "/path")
            assert why in error.data["cause"]


def test_a_whole_model_with_the_name_of_a_part_works(shared: Sidecar, tmp_path: Path) -> None:
    path = gguf_files.tiny_model(tmp_path / "w-00001-of-00003.gguf")
    assert shared.call("inspectModel", {"path": path})["name"] == "Tiny"
    assert shared.call("estimateModel", {"path": path})["weightsBytes"] > 0
    assert attempt(shared, path) == "loaded"
