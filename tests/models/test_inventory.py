"""listModels, deleteModel, and inspectModel and estimateModel of models that are not on this disk."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from download_work import REPO, SPEC, Begin, Downloads, files_below, kill, surroundings
from driver import Refused, Sidecar
from hub import Headed, Hub, Synthetic
from model_memory import MODELS, REAL
from vocabularies import OF_LLAMA_3, vocabulary

pytestmark = pytest.mark.process


def listed(downloads: Downloads, **params: Any) -> Any:
    own = {"modelsDirectory": str(downloads.directory), "hubCache": False}
    return downloads.sidecar.call("listModels", {**own, **params})


def delete(downloads: Downloads, path: str) -> Any:
    return downloads.sidecar.call("deleteModel", {"path": path, "modelsDirectory": str(downloads.directory)})


def refused(downloads: Downloads, path: str) -> str:
    with pytest.raises(Refused) as caught:
        delete(downloads, path)
    assert caught.value.data["pointer"] == "/path"
    return caught.value.kind


@pytest.fixture
def tiny(hub: Hub, tmp_path: Path) -> str:
    """A made model in a repository, as Q4_1; the path of a copy."""
    path = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    hub.add(REPO, {"Tiny-Q4_1.gguf": Path(path).read_bytes()})
    return path


PARAMETERS = sum(map(math.prod, gguf_files.tiny_shapes(len(gguf_files.TOKENS)).values()))
"""Weights of the tiny model."""


# ---- listModels --------------------------------------------------------------------------------------


def test_what_was_downloaded_is_listed_with_all_that_is_known(downloads: Downloads, tiny: str) -> None:
    result = downloads.fetch(f"hf:{REPO}:Q4_1")
    (model,) = listed(downloads)["models"]
    assert model == {
        "path": result["path"],
        "files": [result["path"]],
        "sizeBytes": Path(tiny).stat().st_size,
        "origin": "store",
        "verified": True,
        "sha256": result["sha256"],
        "source": result["source"],
        "architecture": "llama",
        "name": "Tiny",
        "parameters": PARAMETERS,
        "quantization": "F32",  # by its weights, not by its name
        "contextLengthTrained": 4096,
        "chatTemplate": True,
        "projectorPath": None,
        "modalities": ["text"],
        "lastUsedAt": None,
        "loaded": False,
        "problem": None,
    }


def test_a_file_that_was_changed_since_is_not_called_verified(downloads: Downloads, tiny: str) -> None:
    path = Path(downloads.fetch(f"hf:{REPO}:Q4_1")["path"])
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    os.utime(path, ns=(1, 1))
    (model,) = listed(downloads)["models"]
    assert (model["verified"], model["architecture"]) == (False, "llama")


def test_files_put_there_by_hand_or_lying_elsewhere_are_found(downloads: Downloads, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "deep"
    for folder in (downloads.directory, elsewhere):
        folder.mkdir(parents=True)
    gguf_files.tiny_model(downloads.directory / "mine.gguf")
    gguf_files.tiny_model(elsewhere / "tiny-F16.gguf")
    (elsewhere / "broken.gguf").write_bytes(b"GGUF")
    (elsewhere / "notes.txt").write_text("no model")
    found = {
        Path(m["path"]).name: m for m in listed(downloads, folders=[str(tmp_path / "elsewhere")])["models"]
    }
    assert found.keys() == {"mine.gguf", "tiny-F16.gguf", "broken.gguf"}
    mine, tiny, broken = found["mine.gguf"], found["tiny-F16.gguf"], found["broken.gguf"]
    assert (mine["origin"], mine["verified"], mine["source"], mine["parameters"]) == (
        "store",
        False,
        None,
        PARAMETERS,
    )
    assert (tiny["origin"], tiny["architecture"], tiny["problem"]) == ("folder", "llama", None)
    assert "damaged" in broken["problem"]


def test_what_lies_in_the_hubs_own_cache_is_found(begin: Begin, hub: Hub, tmp_path: Path) -> None:
    downloads = begin()
    commit = "c" * 40
    folder = tmp_path / "home" / "hub" / "models--owner--Cached-GGUF"
    snapshot = folder / "snapshots" / commit
    for each in (folder / "blobs", folder / "refs", snapshot):
        each.mkdir(parents=True)
    gguf_files.tiny_model(folder / "blobs" / "abc")
    (folder / "refs" / "main").write_text(commit)
    if sys.platform == "win32":  # without the right to make links, the library moves the file there
        (folder / "blobs" / "abc").rename(snapshot / "Tiny-Q4_1.gguf")
    else:
        (snapshot / "Tiny-Q4_1.gguf").symlink_to("../../blobs/abc")
    (model,) = listed(downloads, hubCache=True)["models"]
    assert (model["origin"], model["path"]) == ("hubCache", str(snapshot / "Tiny-Q4_1.gguf"))
    assert (model["source"]["repository"], model["source"]["revision"]) == ("owner/Cached-GGUF", commit)
    assert model["parameters"] == PARAMETERS
    assert refused(downloads, model["path"]) == "notInStore"
    assert listed(downloads)["models"] == []


def test_a_split_model_is_one_and_goes_as_one(downloads: Downloads, hub: Hub, tmp_path: Path) -> None:
    parts = gguf_files.split_model(tmp_path / "M-Q4_0", 3)
    size = sum(part.stat().st_size for part in parts)
    hub.add(REPO, {part.name: part.read_bytes() for part in parts})
    remote = {"model": f"hf:{REPO}:Q4_0", "endpoint": hub.endpoint}
    inspected = downloads.sidecar.call("inspectModel", remote)
    assert (inspected["parameters"], inspected["sizeBytes"]) == (PARAMETERS, size)
    result = downloads.fetch(f"hf:{REPO}:Q4_0")
    (model,) = listed(downloads)["models"]
    assert model["files"] == [file["path"] for file in result["files"]]
    assert (model["sizeBytes"], model["verified"], model["parameters"]) == (size, True, PARAMETERS)
    Path(model["files"][1]).unlink()
    assert listed(downloads)["models"][0]["problem"] == "1 of its 3 parts are missing"
    assert len(delete(downloads, result["path"])["files"]) == 2
    assert downloads.files() == []
    assert listed(downloads)["models"] == []


def test_an_unfinished_download_is_listed_and_can_be_deleted(begin: Begin, hub: Hub) -> None:
    downloads = begin()
    hub.add(REPO, {"Model-Q4_K_M.gguf": Synthetic(64 << 20, seed=1)})
    hub.fault(bytes_per_second=1e6, trickle_after=4 << 20, times=None)
    request = downloads.send()
    downloads.wait_bytes(request, 2 << 20)
    final = str(downloads.directory / "owner" / "Model-GGUF" / "Model-Q4_K_M.gguf")
    assert refused(downloads, final) == "modelInUse"
    kill(downloads.transfer())
    assert downloads.sidecar.response(request)["error"]["data"]["kind"] == "transferCrashed"
    found = listed(downloads)
    assert found["models"] == []
    (partial,) = found["partials"]
    assert (partial["path"], partial["totalBytes"]) == (final, 64 << 20)
    assert 2 << 20 <= partial["downloadedBytes"] < 64 << 20, "a kill has lost what was reported"
    assert partial["source"]["repository"] == REPO
    assert delete(downloads, final)["freedBytes"] > 0
    assert listed(downloads)["partials"] == []
    assert downloads.unfinished() == []


# ---- deleteModel -------------------------------------------------------------------------------------


def test_only_models_of_the_directory_can_be_deleted(downloads: Downloads, tmp_path: Path) -> None:
    downloads.directory.mkdir(parents=True)
    outside = tmp_path / "outside.gguf"
    outside.write_bytes(b"x")
    (downloads.directory / "notes.txt").write_text("mine")
    if sys.platform != "win32":  # users may not make links there
        (downloads.directory / "link").symlink_to(tmp_path, target_is_directory=True)
    for path in (
        str(outside),
        "../outside.gguf",
        "notes.txt",
        *(["link/outside.gguf"] if sys.platform != "win32" else []),
        ".llama-sidecar/x.gguf",
        "a/../../outside.gguf",
        ".",
        str(downloads.directory),
    ):
        assert refused(downloads, path) == "notInStore", path
    assert refused(downloads, "none.gguf") == "fileNotFound"
    assert outside.exists()
    assert (downloads.directory / "notes.txt").exists()


def test_empty_folders_go_with_the_last_model(downloads: Downloads, hub: Hub) -> None:
    hub.add(REPO, {"Model-Q4_K_M.gguf": Synthetic(1000, seed=1)})
    path = downloads.fetch(SPEC)["path"]
    assert delete(downloads, os.path.relpath(path, downloads.directory))["freedBytes"] > 0
    assert [p for p in downloads.directory.iterdir() if p.name != ".llama-sidecar"] == []
    assert [p for p in files_below(downloads.directory) if p.suffix != ".lock"] == []


# ---- what is not on this disk ------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("name", [*REAL, "Llama 3"])
def test_the_header_of_a_large_remote_file_costs_little(
    online: Sidecar, downloads: Downloads, hub: Hub, name: str, tmp_path: Path
) -> None:
    path = str(MODELS / REAL[name]) if name in REAL else like_llama_3(tmp_path)
    with Path(path).open("rb") as file:
        head = file.read(10_000_000)
    hub.add(REPO, {"Huge-Q4_1.gguf": Headed(head, 4 << 30)})
    result = online.call("inspectModel", {"model": f"hf:{REPO}", "endpoint": hub.endpoint})
    local = online.call("inspectModel", {"path": path})
    same = local.keys() - {"path", "source", "sizeBytes", "readBytes"}
    assert {name: result[name] for name in same} == {name: local[name] for name in same}
    assert (result["path"], result["sizeBytes"]) == (None, 4 << 30)
    assert result["source"]["file"] == "Huge-Q4_1.gguf"
    assert result["readBytes"] <= 2_500_000
    assert hub.sent(f"{REPO}/Huge-Q4_1.gguf") <= 2_500_000
    assert downloads.files() == []


def like_llama_3(folder: Path) -> str:
    """A model whose vocabulary takes as many bytes as that of Llama 3; returns its path."""
    entries = [gguf_files.entry("general.architecture", gguf_files.STRING, "llama")]
    entries += vocabulary(*OF_LLAMA_3)
    header = gguf_files.header(entries, [gguf_files.tensor_row("output.weight", [32, 64], gguf_files.F32, 0)])
    assert len(header) > 7_000_000
    path = folder / "like-llama-3.gguf"
    path.write_bytes(header + bytes(8192))
    return str(path)


def test_a_remote_file_that_is_not_a_model_is_refused_before_much_is_read(online: Sidecar, hub: Hub) -> None:
    lies = gguf_files.header([gguf_files.entry("a", gguf_files.STRING, "b")] * 3, [])
    lie = Headed(lies[:16] + b"\xff" * 8 + b"\0" * 100_000, 1 << 30)
    hub.add(REPO, {"No-Q4_0.gguf": Headed(b"x" * 1000, 1 << 30), "Lie-Q8_0.gguf": lie})
    for quantization, kind in (("Q4_0", "notGguf"), ("Q8_0", "modelDamaged")):
        with pytest.raises(Refused) as caught:
            online.call("inspectModel", {"model": f"hf:{REPO}:{quantization}", "endpoint": hub.endpoint})
        assert (caught.value.kind, caught.value.data["pointer"]) == (kind, "/model")
        assert "/model" in caught.value.error["message"]
    hub.settle()
    assert 0 < hub.sent(f"{REPO}/No-Q4_0.gguf") + hub.sent(f"{REPO}/Lie-Q8_0.gguf") <= 2_100_000


def test_reading_a_remote_header_survives_a_bad_line(online: Sidecar, hub: Hub, tiny: str) -> None:
    hub.add(REPO, {"Huge-Q8_0.gguf": Headed(Path(tiny).read_bytes(), 1 << 30)})
    hub.fault(origin="cdn", status=503)
    hub.fault(origin="cdn", drop_after=1000)
    result = online.call("inspectModel", {"model": f"hf:{REPO}:Q8_0", "endpoint": hub.endpoint})
    assert result["architecture"] == "llama"


def test_an_estimate_before_the_download_is_that_after_it(
    online: Sidecar, downloads: Downloads, hub: Hub, tiny: str
) -> None:
    params = {"contextSize": 2048, "sequences": 2, "kvCacheType": "q8_0"}
    remote = online.call("estimateModel", {"model": f"hf:{REPO}:Q4_1", "endpoint": hub.endpoint, **params})
    local = online.call("estimateModel", {"path": tiny, **params})
    # What is free on the devices changes from moment to moment, and `why` speaks of it.
    figures = local.keys() - {"path", "source", "devices", "why"}
    assert {name: remote[name] for name in figures} == {name: local[name] for name in figures}
    assert (remote["path"], remote["source"]["repository"]) == (None, REPO)
    assert (local["path"], local["source"]) == (tiny, None)
    assert downloads.files() == []


def test_a_model_that_is_too_large_is_reported_before_it_is_fetched(online: Sidecar, hub: Hub) -> None:
    big = gguf_files.header(
        [gguf_files.entry("general.architecture", gguf_files.STRING, "llama")]
        + [
            gguf_files.entry(f"llama.{name}", gguf_files.UINT32, value)
            for name, value in (
                ("block_count", 1),
                ("context_length", 4096),
                ("embedding_length", 4096),
                ("attention.head_count", 32),
                ("feed_forward_length", 16384),
            )
        ],
        [gguf_files.tensor_row("token_embd.weight", [4096, 1 << 30], gguf_files.F16, 0)],
    )
    size = len(big) + 4096 * (1 << 30) * 2
    hub.add(REPO, {"Huge-F16.gguf": Headed(big, size)})
    result = online.call("estimateModel", {"model": f"hf:{REPO}/Huge-F16.gguf", "endpoint": hub.endpoint})
    assert result["runs"] == "no"
    assert result["largestContextSize"] == 0
    assert result["weightsBytes"] > 8e12
    assert result["why"]


def test_listing_needs_no_network(start: Any, tmp_path: Path) -> None:
    sidecar = start(env=surroundings(tmp_path / "home", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1"))
    result = sidecar.call("listModels", {"modelsDirectory": str(tmp_path / "models")})
    assert (result["models"], result["partials"]) == ([], [])
