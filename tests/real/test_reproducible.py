"""`reproducible`: the same tokens with the very same probabilities, whatever is cached and whoever runs beside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driver import Message, Refused, Sidecar
from process_work import made_contexts
from talk import ENDLESS, MADE, REAL, SHORT, Make, Talk, cached, counted, said

from sidecar.core.context.context import REPRODUCIBLE_PIECE as PIECE

WINDOWS = ("windows", "gemma")
"""Kinds whose copies are not exact, so they are not used."""

REAL_PIECE = 32
"""Tokens of a piece, and of a batch, where a real model takes long for more."""

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=[*MADE, "gemma"])
def talk(
    request: pytest.FixtureRequest, program: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Talk]:
    """Made models of each kind, and a real one with windows."""
    folder, kind = tmp_path_factory.mktemp("reproducible"), request.param
    path = MADE[kind](folder / "made.gguf") if kind in MADE else str(REAL[kind].path)
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    sidecar.call("loadModel", {"path": path})
    yield Talk(sidecar, path, kind)
    assert not sidecar.end()


@pytest.fixture
def make(talk: Talk) -> Iterator[Make]:
    own = {"contextSize": 1024, "threads": 1, "reproducible": True}
    if talk.kind in REAL:
        own["batchSize"] = REAL_PIECE
    with made_contexts(talk.sidecar, **own) as make_one:
        yield make_one


def piece_of(talk: Talk) -> int:
    return REAL_PIECE if talk.kind in REAL else PIECE


def exact(result: Message) -> list[tuple[int, float]]:
    return [(entry["id"], entry["logprob"]) for entry in result["logprobs"]]


def test_neither_caches_nor_neighbours_change_a_text(talk: Talk, make: Make) -> None:
    piece = piece_of(talk)
    prompt = talk.tokens(counted(range(1, 70)))
    prompt = prompt[: 2 * piece + 20]
    other = prompt[: piece + 9] + talk.tokens(counted(range(300, 340)))[:piece]
    one = make()
    first = talk.say(one, prompt)
    turn = prompt + said(first) + talk.again
    expected = talk.say(make(), turn)
    assert exact(talk.say(make(), prompt)) == exact(first)

    second = talk.say(one, turn)
    assert cached(second) == 2 * piece, "whole pieces of the prompt, and nothing that was generated"
    assert exact(second) == exact(expected)

    # It takes the sequence. A state goes back to its checkpoints only: the last whole piece has one.
    assert cached(talk.say(one, other)) == (0 if talk.has_state else piece)
    back = talk.say(one, turn)
    assert cached(back) == (piece if talk.kind in WINDOWS else 2 * piece)
    assert exact(back) == exact(expected)

    several = make(sequences=3)
    streams = [talk.send(several, text, **ENDLESS) for text in (other, prompt[:40])]
    for stream in streams:
        talk.sidecar.wait_progress(stream, "generate")
    beside = talk.say(several, turn, speculation="lookup")
    assert exact(beside) == exact(expected)
    for stream in streams:
        talk.sidecar.call("abort", {"requestId": stream})


def test_a_request_that_gave_way_goes_on_as_if_it_had_not(talk: Talk, make: Make) -> None:
    prompt = talk.tokens(counted(range(1, 50)))[: piece_of(talk) + 30]
    expected = talk.say(make(), prompt, 3 * SHORT)
    context = make()
    background = talk.send(context, prompt, 3 * SHORT, priority="background")
    talk.sidecar.wait_progress(background, "generate")
    talk.say(context, prompt[::-1], 2)
    assert exact(talk.sidecar.result(background)) == exact(expected)


def test_a_shared_pool_cannot_be_reproducible(talk: Talk) -> None:
    asked = {"modelId": "model-1", "reproducible": True, "kvUnified": True}
    with pytest.raises(Refused) as refused:
        talk.sidecar.call("createContext", asked)
    assert (refused.value.kind, refused.value.data["pointer"]) == ("invalidParams", "/kvUnified")
