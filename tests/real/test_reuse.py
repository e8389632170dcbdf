"""Reuse of a cache changes the time and not the text, for every kind of state that a model can have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import Sidecar
from process_work import EXACT, cut_after, made_contexts
from real.conftest import run_plain
from talk import (
    ENDLESS,
    MADE,
    NEAR,
    REAL,
    SHORT,
    SIZE,
    STEP,
    SYSTEM,
    Make,
    Talk,
    cached,
    counted,
    likely,
    said,
)

from sidecar.core.context.checkpoints import MAX_CHECKPOINTS, TAIL

pytestmark = pytest.mark.real

KINDS = list(MADE)


@pytest.fixture(scope="module", params=KINDS)
def talk(
    request: pytest.FixtureRequest, program: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Talk]:
    """Models of each kind that say something without sense, and a real one."""
    if request.config.getoption("--runtime") != "source":
        pytest.skip("takes minutes, and what llama.cpp keeps does not depend on how the program is packed")
    folder = tmp_path_factory.mktemp("talk")
    kind = request.param
    path = MADE[kind](folder / "made.gguf") if kind in MADE else str(REAL[kind].path)
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    sidecar.call("loadModel", {"path": path})
    engines = sidecar.engines()
    yield Talk(sidecar, path, kind)
    assert sidecar.engines() == engines, "a test cost the engine"
    log = sidecar.log()
    assert not sidecar.end()
    assert "traceback" not in log, log


@pytest.fixture
def make(talk: Talk) -> Iterator[Make]:
    """Makes contexts for one test alone. With one thread, because several wait for other busy programs."""
    with made_contexts(talk.sidecar, contextSize=SIZE, threads=1) as make_one:
        yield make_one


def plain(talk: Talk, prompt: list[int], size: int, length: int) -> list[int]:
    """What a plain loop says."""
    jobs = {"it": [prompt, length]}
    return run_plain(talk.path, jobs, 1, size=size, ignore_eos=True)["it"].tokens


# ---- one after the other -----------------------------------------------------------------------------


def test_a_fresh_context_says_what_a_plain_loop_says(talk: Talk) -> None:
    assert said(talk.fresh(talk.prompt)) == plain(talk, talk.prompt, SIZE, talk.long)


@pytest.mark.parametrize("talk", [*KINDS, "llama"], indirect=True, scope="module")
def test_the_next_turn_pays_only_for_its_new_tokens(talk: Talk, make: Make) -> None:
    context = make()
    turn = talk.prompt + said(talk.say(context, talk.prompt)) + talk.again
    result = talk.say(context, turn)
    assert cached(result) == len(turn) - len(talk.again) - 1
    talk.assert_as_fresh(result, turn)


def test_the_same_prompt_again(talk: Talk, make: Make) -> None:
    context = make()
    talk.say(context, talk.prompt)
    result = talk.say(context, talk.prompt)
    assert cached(result) == len(talk.prompt) - (TAIL if talk.has_state else 1)
    talk.assert_as_fresh(result, talk.prompt)


def test_a_prompt_that_is_evaluated_ahead(talk: Talk, make: Make) -> None:
    context = make()
    ahead = talk.say(context, talk.prompt, 0)
    assert (ahead["text"], ahead["finishReason"], ahead["usage"]["completionTokens"]) == ("", "length", 0)
    turn = talk.prompt + talk.again
    result = talk.say(context, turn)
    assert cached(result) == len(talk.prompt)
    talk.assert_as_fresh(result, turn)


def test_a_difference_in_the_middle(talk: Talk, make: Make) -> None:
    context = make(batchSize=STEP)
    talk.say(context, talk.other)
    result = talk.say(context, talk.prompt)
    assert cached(result) == talk.least(talk.common)
    talk.assert_as_fresh(result, talk.prompt)


def test_a_shorter_one_after_a_longer(talk: Talk, make: Make) -> None:
    context = make(batchSize=STEP)
    talk.say(context, talk.prompt + talk.other)
    result = talk.say(context, talk.prompt)
    assert cached(result) == talk.least(len(talk.prompt) - 1)
    talk.assert_as_fresh(result, talk.prompt)


def test_another_conversation_in_the_same_context(talk: Talk, make: Make) -> None:
    context = make(sequences=2)
    turn = talk.prompt + said(talk.say(context, talk.prompt)) + talk.again
    talk.say(context, talk.other)
    result = talk.say(context, turn)
    assert cached(result) == len(turn) - len(talk.again) - 1
    talk.assert_as_fresh(result, turn)


def test_a_state_from_a_file(talk: Talk, make: Make, tmp_path: Path) -> None:
    saving, restoring, file = make(), make(), str(tmp_path / "x.state")
    turn = talk.prompt + said(talk.say(saving, talk.prompt)) + talk.again
    talk.sidecar.call("saveState", {"contextId": saving, "path": file})
    tokens = talk.sidecar.call("restoreState", {"contextId": restoring, "path": file})["tokens"]
    result = talk.say(restoring, turn)
    assert cached(result) == tokens == len(turn) - len(talk.again) - 1
    talk.assert_as_fresh(result, turn)


def test_an_edited_last_message(talk: Talk, make: Make) -> None:
    """A turn reuses the whole cache; then it is asked in other words."""
    context = make(batchSize=STEP)
    first = talk.prompt + said(talk.say(context, talk.prompt))[:-1]
    talk.say(context, first + talk.again + talk.again)
    edited = first + talk.again[:3] + talk.again
    result = talk.say(context, edited)
    assert cached(result) == len(first) + (0 if talk.has_state else 3)
    talk.assert_as_fresh(result, edited)


def test_a_common_beginning_is_evaluated_at_most_twice(talk: Talk, make: Make) -> None:
    """A system prompt. A state can go back only to checkpoints, so the second conversation takes one there."""
    context = make()
    begin = talk.prompt[: talk.common]
    for text in (talk.prompt, talk.other, begin + talk.again * 5):
        result = talk.say(context, text)
    assert cached(result) == talk.common
    talk.assert_as_fresh(result, text)


def test_the_next_chat_with_the_same_system_prompt_pays_only_for_its_own_words(
    talk: Talk, make: Make
) -> None:
    """A checkpoint lies at the end of the system prompt from the first chat on, and stays there."""
    context, system = make(batchSize=STEP), {"role": "system", "content": counted(range(1, 40))}
    shared = talk.tokens(SYSTEM.format(system["content"]), addSpecial=True)
    for first, length in ((100, 160), (300, 8), (400, 8)):
        asked = {"role": "user", "content": counted(range(first, first + length))}
        result = talk.chat(context, [system, asked])
        assert first == 100 or cached(result) == len(shared)
    assert result["text"] == talk.chat(make(batchSize=STEP), [system, asked])["text"]


def test_checkpoints_have_a_limit(talk: Talk, make: Make) -> None:
    """Many are taken in a long text. The newest one and some of the earlier ones stay."""
    context = make(batchSize=STEP)
    long = ((talk.prompt + talk.other) * 5)[: 19 * STEP]
    assert len(long) > MAX_CHECKPOINTS * STEP
    talk.say(context, long)
    for count in (len(long) - 1, len(long) // 2, STEP):
        other = long[:count] + talk.again
        result = talk.say(context, other)
        assert talk.least(count, 4 * STEP) <= cached(result) <= count
        talk.assert_as_fresh(result, other)


def test_a_conversation_comes_back_when_another_had_its_sequence(talk: Talk, make: Make) -> None:
    context, another = make(batchSize=STEP), talk.prompt[::-1]
    turn = talk.prompt + said(talk.say(context, talk.prompt)) + talk.again
    for text in (another, turn, another + talk.again):
        result = talk.say(context, text)
        talk.assert_as_fresh(result, text)
        if text is not another:
            assert cached(result) >= talk.least(len(text) - len(talk.again) - TAIL)


@pytest.mark.parametrize("talk", ["windows"], indirect=True, scope="module")
def test_with_all_tokens_in_its_windows_a_copy_is_not_cut(talk: Talk, make: Make) -> None:
    """llama.cpp's copy has the window only, so the conversation that comes back has no earlier places."""
    context, other = make(swaFull=True), talk.prompt[::-1]
    talk.say(context, talk.prompt + talk.other)
    for text in (other, talk.prompt + talk.again, other + talk.again, talk.prompt):
        talk.assert_as_fresh(talk.say(context, text), text)


def test_the_memory_for_conversations_has_a_limit(talk: Talk, make: Make) -> None:
    context = make(cacheBytes=4096)
    talk.say(context, talk.prompt)
    talk.say(context, talk.prompt[::-1])
    result = talk.say(context, talk.prompt)
    assert cached(result) <= 1  # BOS
    talk.assert_as_fresh(result, talk.prompt)


# ---- two at the same time ----------------------------------------------------------------------------


def test_a_running_request_shares_its_beginning(talk: Talk, make: Make) -> None:
    context = make(sequences=2, batchSize=STEP)
    stream = talk.send(context, talk.prompt, talk.long)
    talk.sidecar.wait_progress(stream, "generate")
    result = talk.say(context, talk.other)
    assert talk.least(talk.common) <= cached(result) <= talk.common
    talk.assert_as_fresh(result, talk.other)
    talk.assert_as_fresh(talk.sidecar.result(stream), talk.prompt)


def test_a_running_request_shares_a_beginning_of_long_ago(talk: Talk, make: Make) -> None:
    context, long = make(sequences=2, batchSize=STEP), talk.prompt + talk.other
    stream = talk.send(context, long, talk.long)
    talk.sidecar.wait_progress(stream, "generate")
    other = long[: len(long) // 2] + talk.again
    result = talk.say(context, other)
    assert talk.least(len(long) // 2) <= cached(result) <= len(long) // 2
    talk.assert_as_fresh(result, other)
    talk.assert_as_fresh(talk.sidecar.result(stream), long)


def test_requests_that_begin_together_share_and_come_back(talk: Talk, make: Make) -> None:
    """One copies a sequence that another one gets, whose conversation comes back from memory."""
    context, back = make(sequences=2, batchSize=STEP), talk.prompt[::-1]
    for text in (back, talk.other, talk.prompt):
        talk.say(context, text)
    texts = [talk.prompt + talk.again, back + talk.again]
    for request, text in [(talk.send(context, text, SHORT), text) for text in texts]:
        talk.assert_as_fresh(talk.sidecar.result(request), text)


def test_a_running_request_shares_all_that_it_has(talk: Talk, make: Make) -> None:
    context = make(sequences=2)
    longer = talk.prompt + said(talk.fresh(talk.prompt)) + talk.again
    stream = talk.send(context, talk.prompt, talk.long)
    talk.sidecar.wait_progress(stream, "generate")
    result = talk.say(context, longer)
    assert len(talk.prompt) <= cached(result) < len(talk.prompt) + talk.long
    talk.assert_as_fresh(result, longer)
    talk.assert_as_fresh(talk.sidecar.result(stream), talk.prompt)


def test_an_abort_in_a_prompt(talk: Talk, make: Make) -> None:
    prompt, inside = ((talk.prompt + talk.other) * 5)[: 16 * STEP], 0
    for _ in range(10):
        context = make(batchSize=STEP)
        request = talk.send(context, prompt, **ENDLESS)
        while talk.sidecar.wait_progress(request, "prompt")["params"]["processedTokens"] == 0:
            pass
        assert talk.sidecar.call("abort", {"requestId": request})["outcome"] == "aborted"
        partial = talk.sidecar.response(request)["error"]["data"]["partial"]
        result = talk.say(context, prompt)
        assert STEP <= cached(result) < len(prompt)
        talk.assert_as_fresh(result, prompt)
        inside += partial["usage"]["completionTokens"] == 0
        if inside == (3 if talk.has_state else 1):  # it should come in the middle of a batch
            return
    pytest.fail("it mostly came after the prompt")


def test_an_abort_while_another_runs(talk: Talk, make: Make) -> None:
    context = make(sequences=2)
    streams = [talk.send(context, talk.prompt, **ENDLESS), talk.send(context, talk.other, talk.long)]
    talk.sidecar.wait_progress(streams[1], "generate")
    assert talk.sidecar.call("abort", {"requestId": streams[0]})["outcome"] == "aborted"
    talk.assert_as_fresh(talk.say(context, talk.prompt), talk.prompt)
    talk.assert_as_fresh(talk.sidecar.result(streams[1]), talk.other)


def test_a_background_request_gives_way_and_goes_on(talk: Talk, make: Make) -> None:
    context = make(**EXACT)
    background = talk.send(context, talk.prompt, **ENDLESS, priority="background")
    talk.sidecar.wait_progress(background, "generate")
    result = talk.say(context, talk.other)
    assert not talk.sidecar.has_response(background)
    cut_after(talk.sidecar, background, len(talk.sidecar.streamed(background)) + talk.long)
    told = talk.sidecar.progress(background, "generate")
    went_on = {"logprobs": [entry for each in told for entry in each["logprobs"]]}
    for found, prompt in ((result, talk.other), (went_on, talk.prompt)):
        expected = talk.say(make(**EXACT), prompt, len(said(found)))
        assert said(found) == said(expected)
        assert likely(found) == pytest.approx(likely(expected), abs=NEAR)


# ---- what is removed -------------------------------------------------------------------------------


def test_wrong_draft_tokens_leave_nothing(talk: Talk, make: Make) -> None:
    prompt = talk.prompt + talk.other[talk.common :]
    result = talk.say(make(), prompt, talk.long, speculation="lookup")
    assert ("guessedTokens" in result["usage"]) != talk.has_state
    talk.assert_as_fresh(result, prompt)


def test_a_shifted_context_says_what_a_plain_loop_says(talk: Talk, make: Make) -> None:
    prompt, length = (talk.prompt + talk.other)[-240:], 24
    result = talk.say(make(contextSize=256), prompt, length, contextOverflow="shift")
    assert result["usage"]["truncatedTokens"] == (256 - 4) // 2
    assert said(result) == plain(talk, prompt, 256, length)
