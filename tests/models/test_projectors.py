"""Projectors on the hub and on the disk: told, counted, and gone with the last model that they belong to."""

from __future__ import annotations

from pathlib import Path

import gguf_files
import projectors
import pytest
from download_work import REPO, Downloads
from driver import Sidecar
from hub import Hub
from late_log import wait_log

pytestmark = pytest.mark.process


@pytest.fixture
def files(hub: Hub, tmp_path: Path) -> dict[str, bytes]:
    """A made model in two quantisations, as their names say, with a projector."""
    model = Path(gguf_files.tiny_model(tmp_path / "tiny.gguf")).read_bytes()
    sees = Path(projectors.tiny(tmp_path / "sees.gguf", gguf_files.WIDTH)).read_bytes()
    files = {"Tiny-Q4_1.gguf": model, "Tiny-Q8_0.gguf": model, "mmproj-F16.gguf": sees}
    hub.add(REPO, files)
    return files


def test_a_downloaded_projector_is_told_loaded_and_goes_with_the_last_model(
    downloads: Downloads, files: dict[str, bytes], sidecar: Sidecar
) -> None:
    places = {"modelsDirectory": str(downloads.directory)}
    first, second = downloads.fetch(f"hf:{REPO}:Q4_1", projector=True), downloads.fetch(f"hf:{REPO}:Q8_0")
    sees = first["projectorPath"]
    listed = downloads.sidecar.call("listModels", {**places, "hubCache": False})["models"]
    assert {model["path"]: (model["projectorPath"], model["modalities"]) for model in listed} == {
        path: (sees, ["text", "image"]) for path in (first["path"], second["path"])
    }
    loaded = sidecar.call("loadModel", {"path": second["path"]})
    assert (loaded["projectorPath"], loaded["modalities"]) == (sees, ["text", "image"])
    alone = sidecar.call("loadModel", {"path": second["path"], "projectorPath": None})
    assert (alone["projectorPath"], alone["modalities"]) == (None, ["text"])
    for model in (loaded, alone):  # Windows deletes no file that another program holds
        sidecar.call("unloadModel", {"modelId": model["modelId"]})

    gone = downloads.sidecar.call("deleteModel", {"path": first["path"], **places})["files"]
    assert gone == [first["path"]]
    gone = downloads.sidecar.call("deleteModel", {"path": second["path"], **places})["files"]
    assert gone == [second["path"], sees]


def test_a_projector_that_is_deleted_takes_no_other_one_along(downloads: Downloads, sidecar: Sidecar) -> None:
    folder = downloads.directory / "projectors"
    folder.mkdir(parents=True)
    places = [str(folder / f"mmproj-tiny-{quantisation}.gguf") for quantisation in ("F16", "Q8_0")]
    for place in places:
        projectors.tiny(Path(place), gguf_files.WIDTH)
    deleted = sidecar.call("deleteModel", {"path": places[1], "modelsDirectory": str(downloads.directory)})
    assert deleted["files"] == [places[1]]


def test_what_a_remote_model_takes_and_needs(
    online: Sidecar, hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    at = {"model": f"hf:{REPO}:Q4_1", "endpoint": hub.endpoint}
    told = online.call("inspectModel", at)
    assert (told["projectorPath"], told["modalities"]) == (None, ["text", "image"])
    folder = tmp_path / "here"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    here = {"path": str(folder / "Tiny-Q4_1.gguf")}
    counted = online.call("estimateModel", here)
    assert (counted["projectorPath"], counted["projectorBytes"] > 0) == (
        str(folder / "mmproj-F16.gguf"),
        True,
    )
    remote = [
        online.call("estimateModel", {**at, **more})["projectorBytes"] for more in ({}, {"projector": True})
    ]
    assert remote == [0, counted["projectorBytes"]]
    assert online.call("estimateModel", {**here, "projector": False})["projectorBytes"] == 0


def test_a_projector_beside_the_model_that_does_not_fit_is_left_out(sidecar: Sidecar, tmp_path: Path) -> None:
    model = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    projectors.tiny(tmp_path / "mmproj-F16.gguf", 2 * gguf_files.WIDTH)
    assert sidecar.call("inspectModel", {"path": model})["projectorPath"] == str(tmp_path / "mmproj-F16.gguf")
    loaded = sidecar.call("loadModel", {"path": model})
    assert (loaded["projectorPath"], loaded["modalities"]) == (None, ["text"])
    said = "the projector beside the model is not used"
    assert said in wait_log(sidecar, lambda log: said in log)
