"""A GPU's backend is one more library in the folder: it is used if it works, and does no harm if it does not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import made_dll
import made_models
import media_cases
import pytest
from conftest import Start
from driver import Refused, Sidecar, environment
from late_log import wait_log
from media_talk import NEAR, logprobs_of
from process_work import COUNT, COUNTED, EXACT, count, load

from llama import packs
from ship import freeze

pytestmark = [
    pytest.mark.process,
    pytest.mark.real,
    pytest.mark.form("source", "onedir"),
]  # a pack goes into a folder

WINDOWS = sys.platform == "win32"
LIBRARY = "ggml-{}.dll" if WINDOWS else "libggml-{}.so"

TOKENS = 4
SOFTWARE_S = 600.0
"""Seconds that a software GPU may take for a prompt and TOKENS, including the compilation of its shaders."""

FAKES = {
    "return 0;": (b"\x31\xc0\xc3", "info", "fake is not used: no driver"),
    "abort(); return 0;": (b"\xb9\x07\0\0\0\xcd\x29", "warning", "fake is not used: its driver crashed"),
    "*(volatile int *)8 = 1; return 0;": (
        b"\xc7\x04\x25\x08\0\0\0\x01\0\0\0\x31\xc0\xc3",
        "warning",
        "fake is not used: its driver crashed",
    ),
}
"""What the library of a pack does when it is loaded → the same as machine code for Windows, and the `info` of it."""


@pytest.fixture
def install(
    request: pytest.FixtureRequest, program: list[str], start: Start, tmp_path: Path
) -> Callable[..., Sidecar]:
    """Start the program with one more library, made of C or copied."""
    runtime = request.config.getoption("--runtime")

    def start_with(name: str, body: str = "", library: str | None = None, **more: str) -> Sidecar:
        env = environment(**more)
        if runtime == "onedir":
            home = Path(shutil.copytree(freeze.FOLDER, tmp_path / "program", symlinks=True))
            folder, command = home / "_internal" / "llama_cpp" / "lib", [str(home / freeze.PROGRAM.name)]
        else:
            from sidecar.core.llama import bindings

            folder, command = Path(shutil.copytree(bindings.folder(), tmp_path / "lib")), program
            env["LLAMA_CPP_LIB_PATH"] = str(folder)
        target = folder / LIBRARY.format(name)
        if library is not None:
            shutil.copy2(library, target)
        elif WINDOWS:
            target.write_bytes(made_dll.library("ggml_backend_init", FAKES[body][0]))
        elif shutil.which("cc") is None:
            pytest.skip("makes a library with cc")
        else:
            source = tmp_path / "fake.c"
            source.write_text(f"#include <stdlib.h>\nvoid *ggml_backend_init(void) {{ {body} }}\n")
            subprocess.run(["cc", "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
        sidecar = Sidecar(command, stderr=tmp_path / "stderr.txt", env=env)
        request.addfinalizer(sidecar.end)
        return sidecar

    return start_with


@pytest.mark.parametrize("body", FAKES)
def test_a_pack_without_a_working_driver_is_reported_and_not_used(
    install: Callable[..., Sidecar], body: str, model_path: str
) -> None:
    sidecar = install("fake", body)
    result = sidecar.call("init")
    assert (result["gpu"], result["llamaCpp"]["backends"]) == ("cpu", ["cpu"])
    _, level, words = FAKES[body]
    infos = [m["params"] for m in sidecar.messages if m.get("method") == "info"]
    assert [info["level"] for info in infos if words in info["message"]] == [level]
    load(sidecar, model_path)
    assert count(sidecar) == COUNTED
    with pytest.raises(Refused) as refused:
        sidecar.call("init", {"gpu": "fake"})
    assert refused.value.kind == "backendNotAvailable"


def test_a_file_that_is_not_a_library_is_reported(install: Callable[..., Sidecar], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes((b"MZ" if WINDOWS else b"\x7fELF") + bytes(100))
    sidecar = install("fake", library=str(damaged))
    assert sidecar.call("init")["gpu"] == "cpu"
    assert any(
        "fake is not used" in m["params"]["message"] for m in sidecar.messages if m.get("method") == "info"
    )


@pytest.fixture
def vulkan() -> str:
    """The Vulkan pack."""
    pack = packs.PACKS / LIBRARY.format("vulkan")
    if not pack.is_file():
        target = " --target windows" if WINDOWS else ""
        pytest.skip(f"there is no Vulkan pack; to build it: python build/dev.py pack vulkan{target}")
    return str(pack)


@pytest.fixture
def software_vulkan() -> dict[str, str]:
    """An environment in which Mesa's software Vulkan is the only device: real Vulkan on any machine."""
    drivers = [*Path("/usr/share/vulkan/icd.d").glob("lvp_icd*.json")]
    if not drivers:
        pytest.skip("there is no software Vulkan here (Debian: mesa-vulkan-drivers)")
    found = dict.fromkeys(("VK_DRIVER_FILES", "VK_ICD_FILENAMES"), drivers[0].as_posix())  # in Wine: Linux's
    return {**found, "GGML_VK_VISIBLE_DEVICES": "0"}  # a processor is a device only if it is asked for


@pytest.mark.slow
def test_a_model_computes_on_vulkan(
    install: Callable[..., Sidecar], vulkan: str, software_vulkan: dict[str, str], model_path: str
) -> None:
    sidecar = install("vulkan", library=vulkan, **software_vulkan)
    result = sidecar.call("init", {"gpu": "auto", "debug": True})
    assert (result["gpu"], result["llamaCpp"]["backends"]) == ("vulkan", ["cpu", "vulkan"])
    load(sidecar, model_path, contextSize=256)
    log = wait_log(sidecar, lambda log: "layers to GPU" in log)
    offloaded = re.findall(r"offloaded (\d+)/(\d+) layers to GPU", log)
    assert [(int(layers) > 0, layers == every) for layers, every in offloaded] == [(True, True)]
    params = {"contextId": "context-1", "prompt": COUNT, "maxTokens": TOKENS, "temperature": 0}
    text = sidecar.call("complete", params, SOFTWARE_S)["text"]
    assert text and COUNTED.startswith(text)


@pytest.mark.slow
def test_layers_lie_on_vulkan_as_they_are_placed(
    install: Callable[..., Sidecar], vulkan: str, software_vulkan: dict[str, str], tmp_path: Path
) -> None:
    path = made_models.mixture(tmp_path / "mixture.gguf")
    sidecar = install("vulkan", library=vulkan, **software_vulkan)
    init = sidecar.call("init", {"gpu": "auto", "debug": True})
    (name,) = [device["name"] for device in init["devices"] if device["type"] != "cpu"]
    with pytest.raises(Refused) as refused:
        sidecar.call("loadModel", {"path": path, "devices": [name, "Vulkan9"]})
    assert (refused.value.kind, refused.value.data["allowed"]) == ("deviceNotFound", [name])
    estimated: dict[int, list[int]] = {}  # pid of an engine → bytes on the CPU and on the device
    for params in ({"gpuLayers": 3}, {"expertsOnCpu": True}, {"expertsOnCpu": 2}):
        placed = {"path": path, "devices": [name], "gpuLayers": 99, **params}
        cpu, gpu = sidecar.call("estimateModel", placed)["devices"]
        model = sidecar.call("loadModel", placed)["modelId"]
        estimated[sidecar.engines()[model]] = [cpu["weightsBytes"], gpu["weightsBytes"]]
    context = sidecar.call("createContext", {"modelId": model, "contextSize": 64})["contextId"]
    asked = {"contextId": context, "prompt": "a", "maxTokens": 1, "ignoreEos": True}
    assert sidecar.call("complete", asked, SOFTWARE_S)["usage"]["completionTokens"] == 1
    sidecar.end()
    taken = {pid: [0.0, 0.0] for pid in estimated}
    for record in map(json.loads, sidecar.log().splitlines()):
        if found := re.search(r"(\S+) +model buffer size = +([\d.]+) MiB", record["message"]):
            taken[record["pid"]][found[1] == name] += float(found[2]) * 2**20
    assert taken == {pid: pytest.approx(sizes, abs=2**20) for pid, sizes in estimated.items()}


@pytest.mark.slow
def test_a_projector_computes_on_vulkan(
    install: Callable[..., Sidecar], vulkan: str, software_vulkan: dict[str, str], tmp_path: Path
) -> None:
    """What is said about a picture is as likely as with the projector on the CPU."""
    model, projector = media_cases.made_pair("llava", tmp_path)
    exact = {"GGML_VK_DISABLE_F16": "1"}  # else it rounds to 16 bits
    sidecar = install("vulkan", library=vulkan, **software_vulkan, **exact)
    init = sidecar.call("init", {"gpu": "auto", "debug": True})
    (name,) = [device["name"] for device in init["devices"] if device["type"] != "cpu"]
    said: dict[str, list[list[float]]] = {}
    for where, params in {
        "CPU": {"gpuLayers": 0},
        name: {"gpuLayers": 0, "projectorDevice": name},
    }.items():
        loaded = sidecar.call("loadModel", {"path": model, "projectorPath": projector, **params})
        asked = {"modelId": loaded["modelId"], "contextSize": 128, **EXACT}
        context = sidecar.call("createContext", asked)["contextId"]
        for colour in ("red", "blue"):
            content = list(media_cases.Case("", "@?", (media_cases.picture(colour),)).parts())
            turn = {"messages": [{"role": "user", "content": content}], "maxTokens": 1, "logprobs": True}
            chat = {"contextId": context, "temperature": 0, **turn}
            said.setdefault(where, []).append(logprobs_of(sidecar.call("chat", chat, SOFTWARE_S)))
    red, blue = said["CPU"]
    assert red != pytest.approx(blue, abs=10 * NEAR)
    assert said[name] == [pytest.approx(red, abs=NEAR), pytest.approx(blue, abs=NEAR)]
    sidecar.end()
    assert re.findall(r"CLIP using (\S+) backend", sidecar.log()) == list(said)


def test_the_vulkan_pack_without_a_driver_is_reported(install: Callable[..., Sidecar], vulkan: str) -> None:
    sidecar = install("vulkan", library=vulkan, VK_DRIVER_FILES="/nowhere", VK_ICD_FILENAMES="/nowhere")
    assert sidecar.call("init", {"gpu": "auto"})["gpu"] == "cpu"
    infos = [m["params"] for m in sidecar.messages if m.get("method") == "info"]
    assert [info["level"] for info in infos if "vulkan is not used: no" in info["message"]] == ["info"]
