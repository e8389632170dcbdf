"""`embed` and `rerank` give the same as a plain loop over the same bindings, however texts share batches."""

from __future__ import annotations

import base64
import math
import random
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import gguf_files
import pytest
from conftest import Once
from driver import Refused, Sidecar
from real.conftest import Vectors, all_plain_vectors, plain_vectors

pytestmark = pytest.mark.real

POOLED = ["none", "mean", "cls", "last"]
OF_REAL = ["mean"]  # what the real model is asked for, too
TEXTS = [
    "Hello",
    "A cat sat on the mat.",
    "日本語の文章です。",
    " ".join(f"Item {number} costs {number * 3} dollars." for number in range(14)),
    "Dogs bark.",
]
"""The fourth has more tokens than the batches of the tests."""

CLOSE = 1e-4
Make = Callable[..., str]


def tokens_of(sidecar: Sidecar, texts: list[str], model_id: str = "model-1") -> list[list[int]]:
    """Texts as tokens, with those that the model puts around them."""
    params = {"modelId": model_id, "addSpecial": True, "parseSpecial": True}
    return [sidecar.call("tokenize", {**params, "text": text})["tokens"] for text in texts]


def cosine(found: list[float], expected: list[float]) -> float:
    return sum(a * b for a, b in zip(unit(found), unit(expected), strict=True))


def assert_close(found: list[float], expected: list[float]) -> None:
    assert len(found) == len(expected)
    scale = max(map(abs, expected))
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= CLOSE * scale


def unit(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [number / length for number in vector]


@pytest.fixture(scope="session")
def tokens(real: Sidecar) -> list[list[int]]:
    return tokens_of(real, TEXTS)


@pytest.fixture(scope="session")
def tiny(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sidecar, str]]:
    """A program with a made model, whose weights are not quantised, and its file."""
    folder = tmp_path_factory.mktemp("tiny")
    path = gguf_files.tiny_model(folder / "tiny.gguf")
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    sidecar.call("loadModel", {"path": path})
    yield sidecar, path
    assert not sidecar.end()


@pytest.fixture(scope="session")
def berts(
    program: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sidecar, dict[str, str]]]:
    """A program with model-1, which ranks, and model-2, which embeds, and their files."""
    folder = tmp_path_factory.mktemp("berts")
    add_end: Any = {"tokenizer__ggml__add_eos_token": (gguf_files.BOOL, True)}
    paths = {
        "model-1": gguf_files.tiny_bert(folder / "ranks.gguf", ranks=True, **add_end),
        "model-2": gguf_files.tiny_bert(folder / "embeds.gguf", ranks=False),
    }
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    for path in paths.values():
        sidecar.call("loadModel", {"path": path})
    engines = sidecar.engines()
    yield sidecar, paths
    assert sidecar.engines() == engines, "a test cost the engine"
    assert not sidecar.end()


# ---- what comes out ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def plain_of_real(model_path: str, tokens: list[list[int]], once: Once) -> dict[str, Vectors]:
    """Pooling → the plain loop's vectors of TEXTS with the real model."""
    found: dict[str, Vectors] = once("vectors", lambda: all_plain_vectors(model_path, OF_REAL, tokens))
    return found


@pytest.fixture(scope="session")
def plain_of_tiny(tiny: tuple[Sidecar, str]) -> dict[str, Vectors]:
    """The same with the tiny model, without rounding that depends on the batch."""
    sidecar, path = tiny
    return all_plain_vectors(path, POOLED, tokens_of(sidecar, TEXTS), exact=True)


@pytest.mark.parametrize("pooling", OF_REAL)
def test_vectors_of_a_real_model_equal_a_plain_loop(
    real: Sidecar, plain_of_real: dict[str, Vectors], fresh: Make, tokens: list[list[int]], pooling: str
) -> None:
    """Exactly, for a text alone in a batch; together with others llama.cpp rounds differently."""
    context = fresh(embeddings=True, pooling=pooling)
    params = {"contextId": context, "normalize": False}
    together = real.call("embed", {**params, "input": TEXTS})
    assert together["dimensions"] == 576
    assert together["usage"]["promptTokens"] == sum(map(len, tokens))
    expected = plain_of_real[pooling]
    for text, shared, vectors in zip(TEXTS, together["embeddings"], expected, strict=True):
        alone = real.call("embed", {**params, "input": text})["embeddings"][0]
        if pooling != "none":
            alone, shared = [alone], [shared]
        for one, another, plain in zip(alone, shared, vectors, strict=True):
            assert_close(one, plain)
            assert cosine(another, plain) > 0.99


@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("batch", [32, 256])
def test_texts_in_pieces_and_together_equal_a_plain_loop(
    tiny: tuple[Sidecar, str], plain_of_tiny: dict[str, Vectors], pooling: str, batch: int
) -> None:
    sidecar, _ = tiny
    exact = {"kvCacheType": "f32", "flashAttention": False}
    params = {"modelId": "model-1", "embeddings": True, "pooling": pooling, "batchSize": batch, **exact}
    context = sidecar.call("createContext", params)["contextId"]
    result = sidecar.call("embed", {"contextId": context, "input": TEXTS, "normalize": False})
    tokens = tokens_of(sidecar, TEXTS)
    assert max(map(len, tokens)) > 256
    expected = plain_of_tiny[pooling]
    for found, vectors in zip(result["embeddings"], expected, strict=True):
        for one, plain in zip(found if pooling == "none" else [found], vectors, strict=True):
            assert_close(one, plain)
    sidecar.call("disposeContext", {"contextId": context})


def test_one_text_tokens_and_base64_say_the_same(real: Sidecar, fresh: Make, tokens: list[list[int]]) -> None:
    context = fresh(embeddings=True, pooling="last")
    (floats,) = real.call("embed", {"contextId": context, "input": TEXTS[1]})["embeddings"]
    assert math.hypot(*floats) == pytest.approx(1, abs=1e-6)
    (of_tokens,) = real.call("embed", {"contextId": context, "input": tokens[1]})["embeddings"]
    assert of_tokens == floats
    params = {"contextId": context, "input": [TEXTS[1]], "encodingFormat": "base64"}
    (coded,) = real.call("embed", params)["embeddings"]
    assert_close(list(struct.unpack("<576f", base64.b64decode(coded))), floats)


@pytest.mark.parametrize("pooling", ["none", "mean", "cls", "last"])
def test_a_model_that_looks_both_ways_gets_its_texts_whole(
    berts: tuple[Sidecar, dict[str, str]], pooling: str
) -> None:
    sidecar, paths = berts
    texts = ["abc", "x" * 50, "to be, or not", "?", "y" * 63]
    params = {"modelId": "model-2", "embeddings": True, "pooling": pooling, "batchSize": 20}
    context = sidecar.call("createContext", params)["contextId"]
    expected = plain_vectors(paths["model-2"], pooling, tokens_of(sidecar, texts, "model-2"))
    result = sidecar.call("embed", {"contextId": context, "input": texts})
    for found, vectors in zip(result["embeddings"], expected, strict=True):
        for one, other in zip(found if pooling == "none" else [found], vectors, strict=True):
            assert_close(one, unit(other))
    sidecar.call("disposeContext", {"contextId": context})


def test_rerank_puts_the_best_first(berts: tuple[Sidecar, dict[str, str]]) -> None:
    sidecar, paths = berts
    params = {"modelId": "model-1", "embeddings": True, "flashAttention": False}
    made = sidecar.call("createContext", params)
    assert made["pooling"] == "rank"
    documents = ["abc", "xyz", "to-be,or-not", "a", "zzzz"]
    pairs = [[1, *byte_tokens("who?"), 2, *byte_tokens(text), 2] for text in documents]
    scores = [vectors[0][0] for vectors in plain_vectors(paths["model-1"], "rank", pairs, exact=True)]
    params = {"contextId": made["contextId"], "query": "who?", "documents": documents}
    results = sidecar.call("rerank", params)["results"]
    assert [r["index"] for r in results] == sorted(range(5), key=lambda index: -scores[index])
    assert_close([r["score"] for r in results], sorted(scores, reverse=True))
    assert sidecar.call("rerank", {**params, "topN": 2})["results"] == results[:2]
    with pytest.raises(Refused) as refused:
        sidecar.call("embed", {"contextId": made["contextId"], "input": "abc"})
    assert refused.value.kind == "unsuitableContext"
    sidecar.call("disposeContext", {"contextId": made["contextId"]})


def byte_tokens(text: str) -> list[int]:
    """Tokens in the vocabulary of the made models: three special ones, then the bytes. Not for spaces."""
    return [3 + byte for byte in text.encode()]


# ---- what is refused ---------------------------------------------------------------------------------


def test_a_text_that_is_too_long_is_named(real: Sidecar, fresh: Make) -> None:
    context = fresh(embeddings=True, contextSize=256)
    with pytest.raises(Refused) as refused:
        real.call("embed", {"contextId": context, "input": ["short", "long " * 300]})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("promptTooLong", "/input/1")
    assert refused.value.data["value"] > refused.value.data["allowed"]["maximum"] == 256


def test_a_text_may_be_as_long_as_the_memory_allows(real: Sidecar) -> None:
    made = real.call("createContext", {"modelId": "model-1", "embeddings": True, "contextSize": "auto"})
    assert made["contextSize"] > 2048
    vectors = real.call("embed", {"contextId": made["contextId"], "input": "short"})
    real.call("disposeContext", {"contextId": made["contextId"]})
    assert vectors["dimensions"] == len(vectors["embeddings"][0])


@pytest.mark.parametrize(
    ("given", "pointer"),
    [([1, 99999], "/input/1"), ([[1], [1, 99999]], "/input/1/1"), ([[99999]], "/input/0/0")],
)
def test_a_token_outside_the_vocabulary_is_named(
    real: Sidecar, fresh: Make, given: list[Any], pointer: str
) -> None:
    context = fresh(embeddings=True, contextSize=256)
    with pytest.raises(Refused) as refused:
        real.call("embed", {"contextId": context, "input": given})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("invalidToken", pointer)


def test_each_kind_of_context_refuses_what_the_other_does(real: Sidecar, fresh: Make) -> None:
    vectors = fresh(embeddings=True, contextSize=256)
    messages = [{"role": "user", "content": "Hi"}]
    for method, params in [
        ("complete", {"contextId": vectors, "prompt": "Hi"}),
        ("chat", {"contextId": vectors, "messages": messages}),
        ("embed", {"contextId": "context-1", "input": "Hi"}),
        ("rerank", {"contextId": "context-1", "query": "Hi", "documents": ["Hi"]}),
        ("rerank", {"contextId": vectors, "query": "Hi", "documents": ["Hi"]}),
    ]:
        with pytest.raises(Refused) as refused:
            real.call(method, params)
        assert (refused.value.kind, refused.value.data["pointer"]) == ("unsuitableContext", "/contextId")


def test_models_are_not_asked_for_what_they_cannot_do(
    real: Sidecar, berts: tuple[Sidecar, dict[str, str]]
) -> None:
    for sidecar, params in [
        (real, {"modelId": "model-1", "embeddings": True, "pooling": "rank"}),
        (berts[0], {"modelId": "model-2", "embeddings": True, "pooling": "rank"}),
        (berts[0], {"modelId": "model-2"}),
    ]:
        with pytest.raises(Refused) as refused:
            sidecar.call("createContext", params)
        assert refused.value.kind == "unsuitableModel"


def test_pooling_without_embeddings_is_refused(real: Sidecar) -> None:
    with pytest.raises(Refused) as refused:
        real.call("createContext", {"modelId": "model-1", "pooling": "mean"})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("invalidParams", "/pooling")


def test_an_answer_beyond_all_bounds_is_refused_before_it_is_computed(
    berts: tuple[Sidecar, dict[str, str]],
) -> None:
    sidecar, _ = berts
    params = {"modelId": "model-2", "embeddings": True, "pooling": "none"}
    context = sidecar.call("createContext", params)["contextId"]
    with pytest.raises(Refused) as refused:
        sidecar.call("embed", {"contextId": context, "input": ["x" * 60] * 2048})
    assert (refused.value.kind, refused.value.data["pointer"]) == ("overloaded", "/input")
    sidecar.call("disposeContext", {"contextId": context})


# ---- several at once, and aborts ---------------------------------------------------------------------

MANY = [f"Item {number} costs {number * 3} dollars." for number in range(2000)]  # an abort comes in time


def test_a_short_request_does_not_wait_for_a_long_list(real: Sidecar, fresh: Make) -> None:
    context = fresh(embeddings=True, contextSize=256, batchSize=64)
    alone = real.call("embed", {"contextId": context, "input": TEXTS[:2]})["embeddings"]
    long = real.send("embed", {"contextId": context, "input": MANY, "encodingFormat": "base64"})
    real.wait_progress(long, "embed")
    for found, expected in zip(
        real.call("embed", {"contextId": context, "input": TEXTS[:2]})["embeddings"], alone, strict=True
    ):
        assert cosine(found, expected) > 0.99
    assert not real.has_response(long)
    reported = real.progress(long, "embed")
    assert reported[0]["texts"] == len(MANY)
    assert [p["processedTexts"] for p in reported] == sorted(p["processedTexts"] for p in reported)
    real.call("abort", {"requestId": long})


def test_abort_in_a_long_list_at_random_moments_does_not_disturb_others(real: Sidecar, fresh: Make) -> None:
    context = fresh(embeddings=True, contextSize=256, batchSize=64)
    params = {"contextId": context, "input": TEXTS[:3]}
    alone = real.call("embed", params)["embeddings"]
    for _ in range(4):
        goes = real.send("embed", {"contextId": context, "input": MANY})
        stays = real.send("embed", params)
        time.sleep(random.uniform(0, 0.3))
        assert real.call("abort", {"requestId": goes})["outcome"] == "aborted"
        error = real.response(goes)["error"]
        assert error["data"]["kind"] == "aborted"
        for found, expected in zip(real.result(stays)["embeddings"], alone, strict=True):
            assert cosine(found, expected) > 0.99


def test_texts_and_a_stream_at_once_are_both_right(real: Sidecar, fresh: Make) -> None:
    context = fresh(embeddings=True, contextSize=256)
    stream = {"contextId": "context-2", "prompt": "1, 2, 3, 4, 5,", "maxTokens": 24, "temperature": 0}
    text = real.call("complete", stream)["text"]
    alone = real.call("embed", {"contextId": context, "input": MANY[:12]})["embeddings"]
    embedding = real.send("embed", {"contextId": context, "input": MANY[:12]})
    assert real.call("complete", stream)["text"] == text
    for found, expected in zip(real.result(embedding)["embeddings"], alone, strict=True):
        assert cosine(found, expected) > 0.99


def test_disposing_of_the_context_aborts_its_requests(real: Sidecar) -> None:
    made = real.call("createContext", {"modelId": "model-1", "embeddings": True, "contextSize": 256})
    request = real.send("embed", {"contextId": made["contextId"], "input": MANY})
    real.wait_progress(request, "embed")
    real.call("disposeContext", {"contextId": made["contextId"]})
    assert real.response(request)["error"]["data"]["kind"] == "aborted"
