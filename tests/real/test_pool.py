"""`kvUnified`: one pool for all sequences. Nobody fails when it is full; texts are those of a context alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driver import Sidecar
from process_work import made_contexts
from talk import MADE, SHORT, STEP, Make, Talk, cached, counted, said

pytestmark = pytest.mark.real

POOL = 768


@pytest.fixture(scope="module", params=["attention", "windows", "hybrid"])
def talk(
    request: pytest.FixtureRequest, program: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Talk]:
    folder = tmp_path_factory.mktemp("pool")
    path = MADE[request.param](folder / "made.gguf")
    sidecar = Sidecar(program, stderr=folder / "stderr.txt")
    sidecar.call("loadModel", {"path": path})
    yield Talk(sidecar, path, request.param)
    assert not sidecar.end()


@pytest.fixture
def make(talk: Talk) -> Iterator[Make]:
    with made_contexts(
        talk.sidecar, contextSize=POOL, sequences=3, threads=1, batchSize=STEP, kvUnified=True
    ) as make_one:
        yield make_one


def test_one_conversation_may_take_all_of_it_and_another_comes_back(talk: Talk, make: Make) -> None:
    context = make()
    long, other = (talk.tokens(counted(range(first, first + 120)))[:500] for first in (100, 300))
    assert len(long) > POOL / 2
    for text, least in ((long, 0), (other, 0), (long + talk.again, 400), (other + talk.again, 400)):
        result = talk.say(context, text)
        assert cached(result) >= least
        talk.assert_as_fresh(result, text)
        if least:
            assert result["usage"]["cachedFrom"] == "memory", "there was no room for both"


def test_requests_wait_while_the_pool_is_full(talk: Talk, make: Make) -> None:
    """Each has room when it begins; together they outgrow the pool."""
    context, prompts = (
        make(),
        [talk.tokens(counted(range(first, first + 50)))[:200] for first in (100, 300, 500)],
    )
    length = POOL // 3 - 200 + 40
    requests = [talk.send(context, prompt, length) for prompt in prompts]
    for request, prompt in zip(requests, prompts, strict=True):
        result = talk.sidecar.result(request)
        assert result["usage"]["completionTokens"] == length
        assert said(result)[:SHORT] == said(talk.fresh(prompt))[:SHORT]
