"""A cache, another stream or a limit changes nothing of what models say about pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import media_cases
import media_files
import pytest
from media_cases import COLOUR, picture
from media_talk import MARKS, MediaTalk, assert_same, parts, text_of
from process_work import EXACT

pytestmark = pytest.mark.real

SEEING = ("llava", "qwen2vl", "gemma3")
"""Pairs that see: with plain positions, with M-RoPE, and with rows that see each other."""

RED, BLUE, GREEN = (picture(colour) for colour in ("red", "blue", "green"))
SOUND = media_files.wav(media_files.tone(200, 1.0))
PATIENCE_S = 60.0
LONG = "Say it. " * 16
"""More tokens than are worth keeping (conversation_store.py)."""

SHORTER = "Say it. " * 5
"""Tokens that fill most of a context of 256."""


@pytest.fixture(scope="module")
def talk(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaTalk]:
    talk = MediaTalk(program, tmp_path_factory.mktemp("media"))
    yield talk
    log = talk.sidecar.log()
    assert not talk.sidecar.end()
    assert "traceback" not in log, log


# ---- what is said ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", SEEING)
def test_each_picture_changes_what_is_said(talk: MediaTalk, pair: str) -> None:
    # Otherwise the others would show nothing.
    shown = [
        talk.fresh(pair, parts("@ and@ What is first?", *two))
        for two in ((RED, BLUE), (RED, GREEN), (BLUE, GREEN))
    ]
    for one, other in combinations(shown, 2):
        with pytest.raises(AssertionError):
            assert_same(one, other)


def test_the_result_tells_size_and_tokens_of_each(talk: MediaTalk) -> None:
    result = talk.fresh("qwen2vl", parts("@ and @", picture("red", 84, 56), BLUE))
    assert result["media"] == [
        {"kind": "image", "width": 84, "height": 56, "tokens": 12 + MARKS},
        {"kind": "image", "width": 56, "height": 56, "tokens": 9 + MARKS},
    ]


def test_a_photo_of_a_camera_on_its_side_is_turned(talk: MediaTalk) -> None:
    below = media_files.stripes(["red"], 56, 56) + media_files.stripes(["blue"], 56, 56)
    aside = media_files.jpeg(media_files.stripes(["red", "blue"], 112, 56))
    asked = [
        parts("@Which colors are there?", data)
        for data in (media_files.jpeg(below), media_files.photo(aside, 6))
    ]
    upright, turned = (talk.fresh("qwen2vl", each, logprobs=True) for each in asked)
    assert turned["media"] == upright["media"]
    assert (turned["media"][0]["width"], turned["media"][0]["height"]) == (56, 112)
    assert turned["logprobs"] == upright["logprobs"]


def test_text_that_looks_like_a_picture_stays_text(talk: MediaTalk) -> None:
    with talk.context("llava") as context:
        params = talk.params("llava", context, [parts("<__media__> is written, @ is shown", RED)])
        shown = talk.sidecar.call(
            "applyTemplate", {"modelId": talk.model("llava"), "messages": params["messages"]}
        )
        assert shown["prompt"].count("<__media__>") == 2
        counted = talk.sidecar.call("countTokens", {"contextId": context, "messages": params["messages"]})
        result = talk.sidecar.call("chat", params)
        assert len(result["media"]) == 1
        assert result["usage"]["promptTokens"] == counted["tokens"]


def test_a_picture_in_the_system_prompt_and_in_an_earlier_turn(talk: MediaTalk) -> None:
    user, systems, earlier = {"role": "user", "content": "What is the name of the color?"}, set(), set()
    for colour in (RED, BLUE):
        system = {"role": "system", "content": parts("This is the color:@", colour)}
        with talk.context("llava") as context:
            asked = {"contextId": context, "messages": [system, user], "temperature": 0, "maxTokens": 8}
            systems.add(text_of(talk.sidecar.call("chat", asked)))
        earlier.add(text_of(talk.fresh("llava", parts(COLOUR, colour), "The color is", "Which one?")))
    assert (len(systems), len(earlier)) == (2, 2)


# ---- caches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pair", "file"), [*((pair, RED) for pair in SEEING), ("ultravox", SOUND)])
def test_a_picture_or_a_sound_is_neither_encoded_nor_evaluated_twice(
    talk: MediaTalk, pair: str, file: bytes
) -> None:
    with talk.context(pair) as context:
        first = talk.say(pair, context, parts(COLOUR, file))
        again = talk.say(pair, context, parts(COLOUR, file))
        assert_same(again, first)
        assert again["usage"]["cachedTokens"] == first["usage"]["promptTokens"] - 1
        turns = (parts(COLOUR, file), text_of(first), "Are you sure?")
        request = talk.sidecar.send("chat", talk.params(pair, context, turns))
        later = talk.sidecar.result(request)
        assert later["usage"]["cachedTokens"] >= first["usage"]["promptTokens"]
        assert talk.sidecar.progress(request, "encode") == []
    assert_same(later, talk.fresh(pair, *turns))


@pytest.mark.parametrize("pair", SEEING)
def test_what_stands_before_another_picture_is_kept(talk: MediaTalk, pair: str) -> None:
    with talk.context(pair) as context:
        talk.say(pair, context, parts("@ and@ What is first?", RED, BLUE))
        other = talk.say(pair, context, parts("@ and@ What is first?", RED, GREEN))
        edited = talk.say(pair, context, parts("@ and@ What is second?", RED, GREEN))
    assert 0 < other["usage"]["cachedTokens"] < edited["usage"]["cachedTokens"]
    assert_same(other, talk.fresh(pair, parts("@ and@ What is first?", RED, GREEN)))
    assert_same(edited, talk.fresh(pair, parts("@ and@ What is second?", RED, GREEN)))


@pytest.mark.parametrize("pair", SEEING)
def test_a_conversation_with_a_picture_comes_back_from_memory(talk: MediaTalk, pair: str) -> None:
    asked = parts(f"{LONG}{COLOUR}", RED)
    with talk.context(pair) as context:
        first = talk.say(pair, context, asked)
        talk.say(pair, context, "Another one.")
        later = talk.say(pair, context, asked, text_of(first), "And now?")
    assert later["usage"]["cachedTokens"] >= first["usage"]["promptTokens"]
    assert_same(later, talk.fresh(pair, asked, text_of(first), "And now?"))


def test_a_conversation_with_a_picture_comes_back_from_the_disk(talk: MediaTalk, tmp_path: Path) -> None:
    asked, own = parts(f"{LONG}{COLOUR}", RED), {"cacheDirectory": str(tmp_path / "kept")}
    with talk.context("qwen2vl", **own) as context:
        first = talk.say("qwen2vl", context, asked)
        deadline = time.monotonic() + PATIENCE_S
        while not list((tmp_path / "kept").glob("*.conversation")):
            assert time.monotonic() < deadline, "it was not written"
            time.sleep(0.05)
    turns = (asked, text_of(first), "And now?")
    with talk.context("qwen2vl", **own) as context:
        request = talk.sidecar.send("chat", talk.params("qwen2vl", context, turns))
        later = talk.sidecar.result(request)
    assert later["usage"]["cachedFrom"] == "disk"
    assert later["usage"]["cachedTokens"] >= first["usage"]["promptTokens"]
    assert talk.sidecar.progress(request, "encode") == []
    assert_same(later, talk.fresh("qwen2vl", *turns))


@pytest.mark.parametrize("pair", SEEING)
def test_a_picture_is_copied_from_a_stream_that_goes_on(talk: MediaTalk, pair: str) -> None:
    other, few = parts(f"{LONG}@ Which color is it?", BLUE), {"maxTokens": 2}
    with talk.context(pair, sequences=2, contextSize=4096) as context:
        params = {"maxTokens": 3000, "ignoreEos": True}  # until it is aborted
        stream = talk.sidecar.send(
            "chat", talk.params(pair, context, [parts(f"{LONG}@ What is it?", BLUE)], **params)
        )
        talk.sidecar.wait_progress(stream, "generate")
        request = talk.sidecar.send("chat", talk.params(pair, context, [other], **few))
        copied = talk.sidecar.result(request)
        talk.sidecar.call("abort", {"requestId": stream})
    assert copied["usage"]["cachedTokens"] > copied["usage"]["promptTokens"] - 40
    assert talk.sidecar.progress(request, "encode") == []
    assert_same(copied, talk.fresh(pair, other, **few))


@pytest.mark.parametrize("pair", SEEING)
def test_a_state_is_saved_and_restored_behind_a_picture(talk: MediaTalk, pair: str, tmp_path: Path) -> None:
    path = str(tmp_path / "picture.state")
    with talk.context(pair) as context:
        first = talk.say(pair, context, parts(COLOUR, RED))
        messages = talk.params(pair, context, [parts(COLOUR, RED)])["messages"]
        own = {} if pair == "gemma3" else {"messages": messages}
        saved = talk.sidecar.call("saveState", {"contextId": context, "path": path, **own})
    turns = (parts(COLOUR, RED), text_of(first), "Are you sure?")
    with talk.context(pair) as context:
        assert (
            talk.sidecar.call("restoreState", {"contextId": context, "path": path})["tokens"]
            == saved["tokens"]
        )
        later = talk.say(pair, context, *turns)
    assert later["usage"]["cachedTokens"] >= first["usage"]["promptTokens"]
    assert_same(later, talk.fresh(pair, *turns))


@pytest.mark.parametrize("pair", SEEING)
def test_in_a_reproducible_context_a_cached_picture_changes_no_probability(
    talk: MediaTalk, pair: str
) -> None:
    asked = parts("@" * 9 + LONG, *[RED] * 9)  # so many that a piece ends within one
    own = {"reproducible": True, "kvCacheType": "f16", "flashAttention": "auto"}
    with talk.context(pair, **own) as context:
        turns = (asked, text_of(talk.say(pair, context, asked)), "Are you sure?")
        later = talk.say(pair, context, *turns)
    with talk.context(pair, **own) as context:
        fresh = talk.say(pair, context, *turns)
    assert later["usage"]["cachedTokens"] > 0 == fresh["usage"]["cachedTokens"]
    assert later["logprobs"] == fresh["logprobs"]


def test_a_state_with_a_picture_needs_the_same_projector(talk: MediaTalk, tmp_path: Path) -> None:
    path = str(tmp_path / "picture.state")
    with talk.context("llava") as context:
        talk.say("llava", context, parts(COLOUR, RED))
        talk.sidecar.call("saveState", {"contextId": context, "path": path})
    with talk.context("ultravox") as context:
        answer = talk.sidecar.response(
            talk.sidecar.send("restoreState", {"contextId": context, "path": path})
        )
    assert answer["error"]["data"]["kind"] == "stateMismatch"
    assert "projector" in answer["error"]["data"]["cause"]


@pytest.mark.parametrize("pair", SEEING)
def test_two_pictures_at_once_and_a_stream_beside_them(talk: MediaTalk, pair: str) -> None:
    sidecar = talk.sidecar
    with talk.context(pair, sequences=3) as context:
        stream = talk.params(pair, context, ["Count from 1 to 20."], maxTokens=200, ignoreEos=True)
        asked = [stream, *(talk.params(pair, context, [parts(COLOUR, each)]) for each in (RED, BLUE))]
        running = sidecar.send("chat", asked[0])
        sidecar.wait_progress(running, "generate")
        ids = [running, *(sidecar.send("chat", each) for each in asked[1:])]
        results = [sidecar.result(each) for each in ids]
    for result, colour in zip(results[1:], (RED, BLUE), strict=True):
        assert_same(result, talk.fresh(pair, parts(COLOUR, colour)))
    assert_same(results[0], talk.fresh(pair, "Count from 1 to 20.", maxTokens=200, ignoreEos=True))


# ---- limits and options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", ["llava", "qwen2vl"])
def test_rows_may_be_evaluated_in_several_steps(talk: MediaTalk, pair: str) -> None:
    with talk.context(pair, batchSize=5) as context:
        result = talk.say(pair, context, parts(COLOUR, RED))
    assert_same(result, talk.fresh(pair, parts(COLOUR, RED)))


@pytest.mark.parametrize("pair", SEEING)
def test_a_prompt_may_end_with_a_picture(talk: MediaTalk, pair: str) -> None:
    bare = {"chatTemplate": "{% for m in messages %}{{ m.content }}{% endfor %}"}
    with talk.context(pair) as context:
        first = talk.say(pair, context, parts("The color is@", RED), **bare)
        again = talk.say(pair, context, parts("The color is@", RED), **bare)
    assert_same(again, first)
    assert first["usage"]["completionTokens"] > 0


@pytest.mark.parametrize("pair", SEEING)
def test_a_text_behind_a_picture_goes_on_in_a_shifted_context(talk: MediaTalk, pair: str) -> None:
    asked = parts(f"@{COLOUR} {SHORTER}", RED, RED)
    with talk.context(pair, contextSize=256) as context:
        first = talk.say(pair, context, asked, maxTokens=1)  # the next one has its rows in the cache
        beyond = 256 - first["usage"]["promptTokens"] + 16
        params = {"contextOverflow": "shift", "ignoreEos": True, "maxTokens": beyond}
        result = talk.say(pair, context, asked, **params)
        assert result["usage"]["completionTokens"] == beyond
        assert result["usage"]["truncatedTokens"] > 0
        assert_same(talk.say(pair, context, parts(COLOUR, RED)), talk.fresh(pair, parts(COLOUR, RED)))


@pytest.mark.parametrize("pair", SEEING)
def test_a_prompt_that_is_too_long_loses_whole_pictures(talk: MediaTalk, pair: str) -> None:
    asked = parts("@" * 20 + LONG + "@" * 20 + "What is it?", *[RED, BLUE] * 20)
    with talk.context(pair, contextSize=256) as context:
        params = {"contextOverflow": "truncateMiddle", "maxTokens": 4}
        result = talk.say(pair, context, asked, **params)
    assert result["usage"]["truncatedTokens"] > 0
    assert result["usage"]["promptTokens"] <= 256


@pytest.mark.parametrize("pair", SEEING)
def test_penalties_logprobs_and_look_up_are_right_beside_a_picture(talk: MediaTalk, pair: str) -> None:
    asked = parts(COLOUR, BLUE)
    plain = talk.fresh(pair, asked, logprobs=True, topLogprobs=1)
    assert len(plain["logprobs"]) == plain["usage"]["completionTokens"] > 0
    assert_same(plain, talk.fresh(pair, asked, speculation="lookup"))
    # So large that nothing is said twice, and nothing that was asked: the window reaches back over the picture.
    penalised = talk.fresh(pair, asked, presencePenalty=100, repeatLastN=256, ignoreEos=True)
    said = [entry["id"] for entry in penalised["logprobs"]]
    known = talk.sidecar.call("tokenize", {"modelId": talk.model(pair), "text": COLOUR.replace("@", "")})
    assert len(said) == len(set(said)) == 8
    assert not set(said) & set(known["tokens"])


def test_a_draft_model_may_propose_what_it_has_not_seen(talk: MediaTalk) -> None:
    model, _ = media_cases.made_pair("llava", talk.folder)
    drafting = talk.model("llava", draftPath=model)
    asked = {"modelId": drafting, "contextSize": 512, **EXACT}
    context = talk.sidecar.call("createContext", asked)["contextId"]
    result = talk.say("llava", context, parts(COLOUR, RED))
    assert_same(result, talk.fresh("llava", parts(COLOUR, RED)))
    assert "guessedTokens" in result["usage"]
    talk.sidecar.call("unloadModel", {"modelId": drafting})
