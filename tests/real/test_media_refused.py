"""What a model with pictures refuses, and what an abort or a time limit leaves."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import media_cases
import media_files
import psutil
import pytest
from driver import Message
from gguf_files import WIDTH
from made_models import TALKING_WIDTH
from media_cases import COLOUR, media_part, picture
from media_talk import MARKS, MediaTalk, assert_same, parts, text_of

pytestmark = pytest.mark.real

RED = picture("red")
LARGE = picture("green", 840, 840)
"""900 rows with M-RoPE, from 3,600 patches that all look at each other: it takes long to encode."""

SOUND = media_files.wav(media_files.tone(200, 1.0))
COLOURS = list(media_files.COLOURS)


@pytest.fixture(scope="module")
def talk(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaTalk]:
    talk = MediaTalk(program, tmp_path_factory.mktemp("media"))
    yield talk
    log = talk.sidecar.log()
    assert not talk.sidecar.end()
    assert "traceback" not in log, log


def refused(talk: MediaTalk, method: str, params: dict[str, Any]) -> Message:
    """The data of an error."""
    answer = talk.sidecar.response(talk.sidecar.send(method, params))
    data: Message = answer["error"]["data"]
    return data


ENDLESS: dict[str, Any] = {"ignoreEos": True, "maxTokens": 10**9, "contextOverflow": "shift"}
"""Params of a chat that lasts until it is aborted."""


def load(talk: MediaTalk, **params: Any) -> Message:
    model, projector = media_cases.made_pair("llava", talk.folder)
    return refused(talk, "loadModel", {"path": model, "projectorPath": projector, **params})


# ---- projectors ----------------------------------------------------------------------------------------


def test_a_projector_for_another_model_is_refused_with_both_sizes(talk: MediaTalk) -> None:
    data = load(talk, projectorPath=media_cases.made_pair("gemma3", talk.folder)[1])
    assert (data["kind"], data["pointer"]) == ("unsuitableProjector", "/projectorPath")
    assert f"{WIDTH}" in data["cause"] and f"{TALKING_WIDTH}" in data["cause"]


def test_a_model_is_no_projector(talk: MediaTalk) -> None:
    data = load(talk, projectorPath=media_cases.made_pair("llava", talk.folder)[0])
    assert (data["kind"], data["pointer"]) == ("unsuitableProjector", "/projectorPath")
    assert "llama" in data["cause"]


def test_a_cut_projector_is_damaged(talk: MediaTalk, tmp_path: Path) -> None:
    whole = Path(media_cases.made_pair("llava", talk.folder)[1]).read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    data = load(talk, projectorPath=str(cut))
    assert (data["kind"], data["pointer"]) == ("modelDamaged", "/projectorPath")


def test_a_projector_that_is_not_there(talk: MediaTalk, tmp_path: Path) -> None:
    data = load(talk, projectorPath=str(tmp_path / "none.gguf"))
    assert (data["kind"], data["pointer"]) == ("fileNotFound", "/projectorPath")


def test_an_unknown_device_and_bounds_that_contradict_each_other(talk: MediaTalk) -> None:
    data = load(talk, projectorDevice="none0")
    assert (data["kind"], data["pointer"]) == ("invalidParams", "/projectorDevice")
    assert data["allowed"][:2] == ["auto", "cpu"]
    data = load(talk, imageTokens={"min": 9, "max": 8})
    assert (data["kind"], data["pointer"]) == ("invalidParams", "/imageTokens/min")


def test_bounds_decide_how_many_tokens_a_picture_takes(talk: MediaTalk) -> None:
    bounded = talk.model("qwen2vl", imageTokens={"min": 20, "max": 30}, projectorDevice="cpu")
    context = talk.sidecar.call("createContext", {"modelId": bounded, "contextSize": 256})["contextId"]
    for side, free in ((280, 100), (56, 9)):
        asked = parts(COLOUR, picture("green", side, side))
        assert talk.fresh("qwen2vl", asked)["media"][0]["tokens"] == free + MARKS
        assert 20 <= talk.say("qwen2vl", context, asked)["media"][0]["tokens"] - MARKS <= 30
    talk.sidecar.call("unloadModel", {"modelId": bounded})


# ---- content -------------------------------------------------------------------------------------------


def test_a_model_without_a_projector_reads_text_only(talk: MediaTalk) -> None:
    model, _ = media_cases.made_pair("llava", talk.folder)
    loaded = talk.sidecar.call("loadModel", {"path": model})
    assert loaded["modalities"] == ["text"]
    if sys.platform == "linux":
        both = [talk.model("llava"), loaded["modelId"]]
        engines = talk.sidecar.engines()
        maps = ({each.path for each in psutil.Process(engines[model]).memory_maps()} for model in both)
        assert [any("libmtmd" in path for path in paths) for paths in maps] == [True, False]
    asked = {"modelId": loaded["modelId"], "contextSize": 256}
    context = talk.sidecar.call("createContext", asked)["contextId"]
    data = refused(talk, "chat", talk.params("llava", context, ["Hi", "Hi", [media_part(RED)]]))
    assert (data["kind"], data["pointer"]) == ("unsupportedContent", "/messages/2/content/0")
    assert (data["value"], data["allowed"]) == ("image", ["text"])
    talk.sidecar.call("unloadModel", {"modelId": loaded["modelId"]})


@pytest.mark.parametrize(("pair", "file", "able"), [("llava", SOUND, "image"), ("ultravox", RED, "audio")])
def test_a_projector_takes_what_it_was_made_for(talk: MediaTalk, pair: str, file: bytes, able: str) -> None:
    with talk.context(pair) as context:
        data = refused(talk, "chat", talk.params(pair, context, [parts("What is@?", file)]))
    assert (data["kind"], data["pointer"]) == ("unsupportedContent", "/messages/0/content/1")
    assert data["allowed"] == ["text", able]


def test_a_context_that_is_too_small_says_how_many_tokens_a_picture_needs(talk: MediaTalk) -> None:
    with talk.context("qwen2vl", contextSize=256) as context:
        answer = talk.sidecar.response(
            talk.sidecar.send("chat", talk.params("qwen2vl", context, [parts(COLOUR, LARGE)]))
        )
    assert answer["error"]["data"]["kind"] == "promptTooLong"
    assert answer["error"]["data"]["value"] > 900
    assert "900 of them of pictures" in answer["error"]["message"]


def test_a_hundred_pictures_are_more_than_a_request_may_have(talk: MediaTalk) -> None:
    with talk.context("llava") as context:
        data = refused(talk, "chat", talk.params("llava", context, [parts("@" * 100, *[RED] * 100)]))
        assert (data["kind"], data["allowed"]) == ("invalidParams", {"maximum": 64})
        assert data["pointer"] == "/messages/0/content/64"
        data = refused(talk, "chat", talk.params("llava", context, [parts("@" * 64, *[RED] * 64)]))
    assert (data["kind"], data["value"] > 64 * 16) == ("promptTooLong", True)


def test_a_bomb_is_refused_by_its_header(talk: MediaTalk) -> None:
    bomb = media_files.png_of(60_000, 60_000, zlib.compress(bytes(10**6)))
    with talk.context("llava") as context:
        data = refused(talk, "chat", talk.params("llava", context, [parts(COLOUR, bomb)]))
    assert (data["kind"], data["value"]) == ("mediaTooLarge", 3_600_000_000)
    assert data["pointer"] == "/messages/0/content/1/source/data"


def test_only_files_in_the_folders_of_init_are_shown(talk: MediaTalk, tmp_path: Path) -> None:
    inside, outside = talk.folder / "red.png", tmp_path / "red.png"
    for path in (inside, outside):
        path.write_bytes(RED)
    asked = [[{"type": "image", "source": {"path": str(path)}}] for path in (inside, outside)]
    with talk.context("llava") as context:
        assert talk.say("llava", context, asked[0])["media"]
        data = refused(talk, "chat", talk.params("llava", context, [asked[1]]))
    assert (data["kind"], data["allowed"]) == ("mediaNotAllowed", [str(talk.folder)])


def test_a_batch_must_hold_a_picture_whose_rows_see_each_other(talk: MediaTalk) -> None:
    data = refused(talk, "createContext", {"modelId": talk.model("gemma3"), "batchSize": 3})
    assert (data["kind"], data["pointer"], data["allowed"]) == ("invalidParams", "/batchSize", {"minimum": 4})
    with talk.context("gemma3", batchSize=4) as context:
        assert text_of(talk.say("gemma3", context, parts(COLOUR, picture("blue"))))


def test_a_picture_that_only_the_decoder_finds_damaged_disturbs_nothing_else(talk: MediaTalk) -> None:
    damaged = media_files.png_of(56, 56, b"\x78\x9c" + b"\xff" * 40)
    with talk.context("llava", sequences=2) as context:
        other = talk.sidecar.send("chat", talk.params("llava", context, [parts(COLOUR, RED)]))
        data = refused(talk, "chat", talk.params("llava", context, [parts(COLOUR, damaged)]))
        assert (data["kind"], data["pointer"]) == ("mediaDamaged", "/messages/0/content/1")
        assert_same(talk.sidecar.result(other), talk.fresh("llava", parts(COLOUR, RED)))


def test_a_request_that_waits_for_the_place_of_a_damaged_picture_gets_it(talk: MediaTalk) -> None:
    damaged = media_files.png_of(56, 56, b"\x78\x9c" + b"\xff" * 40)
    with talk.context("llava", sequences=1) as context:
        first = talk.sidecar.send("chat", talk.params("llava", context, [parts(COLOUR, damaged)]))
        waiting = talk.sidecar.send("chat", talk.params("llava", context, ["Hello."]))
        assert talk.sidecar.response(first)["error"]["data"]["kind"] == "mediaDamaged"
        assert text_of(talk.sidecar.result(waiting))


def test_a_template_that_leaves_out_a_picture_is_told(talk: MediaTalk) -> None:
    with talk.context("llava") as context:
        params = talk.params("llava", context, [parts(COLOUR, RED)])
        data = refused(talk, "chat", {**params, "chatTemplate": "{{ messages[0].content[:5] }}"})
    assert (data["kind"], data["pointer"]) == ("templateFailed", "/messages/0/content/1")


# ---- the end of a request --------------------------------------------------------------------------------


def test_an_abort_while_a_picture_is_encoded_and_the_next_one_goes_on(talk: MediaTalk) -> None:
    with talk.context("qwen2vl", contextSize=1280, sequences=2) as context:
        engines = talk.sidecar.engines()
        large = talk.sidecar.send("chat", talk.params("qwen2vl", context, [parts(COLOUR, LARGE)], **ENDLESS))
        begun = talk.sidecar.wait_progress(large, "encode")["params"]
        assert (begun["chunks"], begun["encodedChunks"]) == (1, 0)
        waiting = talk.sidecar.send("chat", talk.params("qwen2vl", context, [parts(COLOUR, RED)]))
        assert talk.sidecar.call("abort", {"requestId": large})["outcome"] == "aborted"
        assert talk.sidecar.response(large)["error"]["data"]["kind"] == "aborted"
        assert_same(talk.sidecar.result(waiting), talk.fresh("qwen2vl", parts(COLOUR, RED)))
        told = [each["encodedChunks"] for each in talk.sidecar.progress(waiting, "encode")]
        assert told == [0, 1]
    assert talk.sidecar.engines() == engines


def test_an_abort_while_rows_are_evaluated_leaves_a_cache_that_is_right(talk: MediaTalk) -> None:
    """Six pictures, so that it mostly comes before their last row; it always comes before the end."""
    asked = parts("@" * 6, *(picture(colour, 280, 280) for colour in COLOURS[:6]))
    with talk.context("qwen2vl", batchSize=8) as context:
        first = talk.sidecar.send("chat", talk.params("qwen2vl", context, [asked], **ENDLESS))
        talk.sidecar.wait_for(lambda m: _processed(m, first) > 50)
        talk.sidecar.call("abort", {"requestId": first})
        assert talk.sidecar.response(first)["error"]["data"]["kind"] == "aborted"
        again = talk.say("qwen2vl", context, asked)
    assert_same(again, talk.fresh("qwen2vl", asked))


def _processed(message: Any, request: Any) -> int:
    params = message.get("params", {}) if isinstance(message, dict) else {}
    done: int = params.get("processedTokens", 0) if params.get("requestId") == request else 0
    return done


def test_the_time_of_a_request_ends_while_its_picture_is_encoded(talk: MediaTalk) -> None:
    with talk.context("qwen2vl", contextSize=1280) as context:
        data = refused(
            talk, "chat", talk.params("qwen2vl", context, [parts(COLOUR, LARGE)], timeoutMs=5, **ENDLESS)
        )
        assert data["kind"] == "timedOut"
        assert text_of(talk.say("qwen2vl", context, parts(COLOUR, RED)))


def test_a_context_is_disposed_of_while_a_picture_is_encoded(talk: MediaTalk) -> None:
    with talk.context("qwen2vl", contextSize=1280) as context:
        large = talk.sidecar.send("chat", talk.params("qwen2vl", context, [parts(COLOUR, LARGE)], **ENDLESS))
        talk.sidecar.wait_progress(large, "encode")
    assert talk.sidecar.response(large)["error"]["data"]["kind"] == "aborted"
    assert text_of(talk.fresh("qwen2vl", parts(COLOUR, RED)))


def test_an_engine_that_dies_while_it_encodes_costs_that_request_and_comes_back_with_its_projector(
    talk: MediaTalk,
) -> None:
    dying, expected = talk.model("qwen2vl"), talk.fresh("qwen2vl", parts(COLOUR, RED))
    engines = talk.sidecar.engines()
    with talk.context("qwen2vl", contextSize=1280) as context:
        large = talk.sidecar.send("chat", talk.params("qwen2vl", context, [parts(COLOUR, LARGE)], **ENDLESS))
        talk.sidecar.wait_progress(large, "encode")
        psutil.Process(engines[dying]).kill()
        assert talk.sidecar.response(large)["error"]["data"]["kind"] == "engineCrashed"
        assert_same(talk.say("qwen2vl", context, parts(COLOUR, RED)), expected)
    after = talk.sidecar.engines()
    assert {each for each in engines if after[each] != engines[each]} == {dying}
