"""LoRA adapters: results equal a plain loop, and requests with different adapters do not disturb each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf_files
import pytest
from conftest import Start
from driver import Refused, Sidecar
from process_work import ENDLESS, assert_not_held_up

pytestmark = pytest.mark.real

GREEDY: dict[str, Any] = {"temperature": 0, "maxTokens": 12, "ignoreEos": True}
PROMPT = "Once upon a time"
SCALE = 0.2
LAYERS = {f"blk.{layer}.attn_output.weight": [576, 576] for layer in range(0, 30, 3)}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two adapters for the real model."""
    folder = tmp_path_factory.mktemp("adapters")
    later = {name.replace("attn_output", "attn_q"): shape for name, shape in LAYERS.items()}
    return [
        gguf_files.random_adapter(folder / "first.gguf", LAYERS),
        gguf_files.random_adapter(folder / "second.gguf", LAYERS | later),
    ]


@pytest.fixture(scope="module")
def adapted(
    program: list[str], model_path: str, adapters: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A program with model-1 and both adapters, the second with scale 0, and a context of three sequences."""
    sidecar = Sidecar(program, stderr=tmp_path_factory.mktemp("adapted") / "stderr.txt")
    wanted = [{"path": adapters[0], "scale": SCALE}, {"path": adapters[1], "scale": 0}]
    sidecar.call("loadModel", {"path": model_path, "adapters": wanted})
    sidecar.call("createContext", {"modelId": "model-1", "contextSize": 256, "sequences": 3})
    engines = sidecar.engines()
    yield sidecar
    assert sidecar.engines() == engines
    assert not sidecar.end()


@pytest.fixture(scope="module")
def expected(plain_loop: Callable[..., Any], adapters: list[str]) -> dict[str, str]:
    """What a plain loop says without adapters, with the first, and with the second."""
    sets: dict[str, list[tuple[str, float]]] = {
        "none": [],
        "first": [(adapters[0], SCALE)],
        "second": [(adapters[1], SCALE)],
    }
    texts = {name: plain_loop(PROMPT, 12, wanted).text for name, wanted in sets.items()}
    assert len(set(texts.values())) == 3, "the adapters change nothing"
    return texts


ASKED: dict[str, dict[str, Any]] = {
    "none": {"adapters": []},
    "first": {},
    "second": {"adapters": [{"id": 1, "scale": SCALE}]},
}


def test_each_set_says_what_a_plain_loop_says_and_reuses_only_its_own_cache(
    adapted: Sidecar, expected: dict[str, str]
) -> None:
    for again in (False, True):
        for name, asked in ASKED.items():
            params = {"contextId": "context-1", "prompt": PROMPT, **asked, **GREEDY}
            result = adapted.call("complete", params)
            assert result["text"] == expected[name], name
            assert (result["usage"]["cachedTokens"] > 0) is again


def test_all_sets_at_once_say_the_same(adapted: Sidecar, expected: dict[str, str]) -> None:
    params = {"contextId": "context-1", "prompt": PROMPT, **GREEDY}
    requests = {name: adapted.send("complete", {**params, **asked}) for name, asked in ASKED.items()}
    assert {name: adapted.result(request)["text"] for name, request in requests.items()} == expected


def test_a_long_prompt_for_one_set_does_not_stop_a_stream_of_another(adapted: Sidecar) -> None:
    context = adapted.call("createContext", {"modelId": "model-1", "contextSize": 1024, "sequences": 2})
    params = {"contextId": context["contextId"], "temperature": 0}
    stream = adapted.send("complete", {**params, "prompt": PROMPT, **ENDLESS, **ASKED["first"]})
    adapted.wait_progress(stream, "generate")
    words = " ".join(f"{number}," for number in range(110))
    long = adapted.send("complete", {**params, "prompt": words, "maxTokens": 1, **ASKED["second"]})
    assert_not_held_up(adapted, stream, long)
    adapted.call("abort", {"requestId": stream})
    adapted.call("disposeContext", {"contextId": context["contextId"]})


def test_vectors_are_made_with_the_adapters_of_the_model(adapted: Sidecar, real: Sidecar) -> None:
    params = {"modelId": "model-1", "embeddings": True, "contextSize": 256}
    made = [sidecar.call("createContext", params)["contextId"] for sidecar in (adapted, real)]
    with_it, without = (
        sidecar.call("embed", {"contextId": context, "input": PROMPT})["embeddings"][0]
        for sidecar, context in zip((adapted, real), made, strict=True)
    )
    assert sum(a * b for a, b in zip(with_it, without, strict=True)) < 0.999
    for sidecar, context in zip((adapted, real), made, strict=True):
        sidecar.call("disposeContext", {"contextId": context})


def test_a_state_is_only_for_the_adapters_that_it_was_computed_with(
    adapted: Sidecar, real: Sidecar, expected: dict[str, str], tmp_path: Path
) -> None:
    params = {"contextId": "context-1", "prompt": PROMPT, **GREEDY}
    state = {"contextId": "context-1", "path": str(tmp_path / "x.state")}
    adapted.call("complete", {**params, **ASKED["second"]})
    adapted.call("saveState", state)
    adapted.call("restoreState", state)
    result = adapted.call("complete", {**params, **ASKED["second"]})
    assert (result["text"], result["usage"]["cachedTokens"]) == (expected["second"], 3)
    made = real.call("createContext", {"modelId": "model-1", "contextSize": 256, "sequences": 3})
    with pytest.raises(Refused) as refused:
        real.call("restoreState", {**state, "contextId": made["contextId"]})
    assert refused.value.kind == "stateMismatch"
    assert "adapters" in refused.value.data["cause"]
    real.call("disposeContext", {"contextId": made["contextId"]})


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [([{"id": 2, "scale": 1}], "/adapters/0/id"), ([{"id": 0, "scale": 1}] * 2, "/adapters/1/id")],
)
def test_an_adapter_that_was_not_loaded_is_named(adapted: Sidecar, asked: list[Any], pointer: str) -> None:
    with pytest.raises(Refused) as refused:
        adapted.call("complete", {"contextId": "context-1", "prompt": "a", "adapters": asked})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("invalidParams", pointer)
    assert refused.value.data["allowed"] == [0, 1]


def test_files_that_are_not_adapters_for_the_model_are_refused_and_the_next_load_works(
    start: Start, tmp_path: Path
) -> None:
    shapes = {"blk.0.attn_q.weight": [32, 32]}
    make = gguf_files.random_adapter
    tiny = gguf_files.tiny_model(tmp_path / "tiny.gguf")
    good = make(tmp_path / "good.gguf", shapes)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(Path(good).read_bytes()[:-100])
    text = tmp_path / "text.gguf"
    text.write_bytes(b"no adapter at all")
    number: Any = {"general__type": (gguf_files.UINT32, 1)}
    whole: Any = {"adapter__lora__alpha": (gguf_files.UINT32, 2)}
    bad = {
        tiny: "unsuitableAdapter",
        make(tmp_path / "qwen.gguf", shapes, architecture="qwen3"): "unsuitableAdapter",
        make(tmp_path / "shape.gguf", {"blk.0.attn_q.weight": [64, 32]}): "unsuitableAdapter",
        make(tmp_path / "name.gguf", {"blk.9.attn_q.weight": [32, 32]}): "unsuitableAdapter",
        make(tmp_path / "number.gguf", shapes, **number): "unsuitableAdapter",
        make(tmp_path / "alpha.gguf", shapes, **whole): "unsuitableAdapter",
        str(cut): "modelDamaged",
        str(text): "notGguf",
        str(tmp_path / "none.gguf"): "fileNotFound",
    }
    sidecar = start()
    for path, kind in bad.items():
        with pytest.raises(Refused) as refused:
            sidecar.call("loadModel", {"path": tiny, "adapters": [{"path": good}, {"path": path}]})
        assert (refused.value.kind, refused.value.data["pointer"]) == (kind, "/adapters/1/path"), path
    model_id = sidecar.call("loadModel", {"path": tiny, "adapters": [{"path": good}]})["modelId"]
    assert list(sidecar.engines()) == [model_id]
