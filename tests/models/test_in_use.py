"""listModels and deleteModel of models that are loaded: they are marked and stay, and their use is remembered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from download_work import REPO, Begin, Downloads
from driver import Refused
from hub import Hub
from hub.client import wait_until

pytestmark = pytest.mark.process


def listed(downloads: Downloads) -> Any:
    own = {"modelsDirectory": str(downloads.directory), "hubCache": False}
    return downloads.sidecar.call("listModels", own)["models"]


def delete(downloads: Downloads, path: str) -> Any:
    return downloads.sidecar.call("deleteModel", {"path": path, "modelsDirectory": str(downloads.directory)})


def refused(downloads: Downloads, path: str) -> str:
    with pytest.raises(Refused) as caught:
        delete(downloads, path)
    return caught.value.kind


@pytest.mark.parametrize("of_init", [True, False])
def test_a_loaded_model_is_marked_its_use_is_remembered_and_it_cannot_be_deleted(
    begin: Begin, hub: Hub, tmp_path: Path, of_init: bool
) -> None:
    """Whether `init` or each request names the directory."""
    tiny = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    hub.add(REPO, {"Tiny-Q4_1.gguf": Path(tiny).read_bytes()})
    downloads = begin()
    sidecar = downloads.sidecar
    sidecar.call("init", {"modelsDirectory": str(downloads.directory)} if of_init else {})
    path = downloads.fetch(f"hf:{REPO}:Q4_1")["path"]
    before = time.time() * 1000 - 1
    loaded = sidecar.call("loadModel", {"path": path})["modelId"]
    wait_until(lambda: listed(downloads)[0]["lastUsedAt"] is not None)
    (model,) = listed(downloads)
    assert model["loaded"]
    assert before <= model["lastUsedAt"] <= time.time() * 1000 + 1
    assert refused(downloads, path) == "modelInUse"
    assert Path(path).exists()
    sidecar.call("unloadModel", {"modelId": loaded})
    assert not listed(downloads)[0]["loaded"]
    assert delete(downloads, path)["files"] == [path]


def test_all_that_a_loaded_model_needs_is_marked(begin: Begin) -> None:
    downloads = begin()
    downloads.directory.mkdir()
    model, draft, adapter, other = (downloads.directory / f"{name}.gguf" for name in "mdao")
    for path in (model, draft, other):
        gguf_files.tiny_model(path)
    gguf_files.random_adapter(adapter, {"blk.0.attn_q.weight": [gguf_files.WIDTH, gguf_files.WIDTH]})
    params = {"path": str(model), "draftPath": str(draft), "adapters": [{"path": str(adapter)}]}
    loaded = downloads.sidecar.call("loadModel", params)["modelId"]
    found = {Path(each["path"]): each["loaded"] for each in listed(downloads)}
    assert found == {model: True, draft: True, adapter: True, other: False}
    assert [refused(downloads, str(path)) for path in (model, draft, adapter)] == ["modelInUse"] * 3
    assert delete(downloads, str(other))["files"] == [str(other)]
    downloads.sidecar.call("unloadModel", {"modelId": loaded})
    assert delete(downloads, str(adapter))["files"] == [str(adapter)]
