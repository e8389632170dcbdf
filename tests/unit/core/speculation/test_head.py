"""What a head does when llama.cpp fails: it gives back what it has, and says so once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.speculation import head
from sidecar.core.speculation.head import Head

CONTEXT, BATCH, POOL = "context", "batch", "pool"


class Nothing(Head):
    """A head whose model gives out nothing."""

    def start(self, owned: Any) -> None:
        """See Head."""


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A llama.cpp that makes everything, and evaluates nothing. Gives what is given back, in order."""
    freed: list[str] = []
    library = SimpleNamespace(
        llama_init_from_model=lambda *_: CONTEXT,
        llama_free=freed.append,
        llama_batch_ext_init=lambda _: BATCH,
        llama_batch_ext_free=freed.append,
        llama_batch_ext_clear=lambda _: None,
        llama_get_memory=lambda _: None,
        llama_memory_seq_rm=lambda *_: True,
        llama_n_batch=lambda _: 8,
        llama_model_n_embd_out=lambda _: 4,
        llama_process=lambda *_: -3,
    )
    monkeypatch.setattr(head, "lib", library)
    monkeypatch.setattr(head.nextn, "set_hidden_states", lambda *_: None)
    monkeypatch.setattr(head, "ThreadPool", lambda *_: SimpleNamespace(free=lambda: freed.append(POOL)))
    monkeypatch.setattr(head, "Likeliest", lambda: SimpleNamespace(free=lambda: None))
    return freed


def made() -> Head:
    model: Any = SimpleNamespace(handle=1, model_id="model-1")
    flag = SimpleNamespace(callback=None, data=None)
    count = SimpleNamespace(of_step=lambda _: 1)
    main: Any = SimpleNamespace(
        handle=2,
        threads=1,
        sequences=[0],
        model=model,
        abort_flag=flag,
        thread_count=count,
        context_id="context-1",
    )
    options: Any = SimpleNamespace()
    return Nothing(main, model, options, first=0)


@pytest.mark.parametrize(("step", "left"), [("start", [BATCH, POOL, CONTEXT]), ("ThreadPool", [CONTEXT])])
def test_what_cannot_be_made_gives_all_back(
    monkeypatch: pytest.MonkeyPatch, freed: list[str], step: str, left: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Nothing if step == "start" else head, step, fail)
    with pytest.raises(MemoryError):
        made()
    assert freed == left


def test_steps_that_fail_are_told_once(monkeypatch: pytest.MonkeyPatch, freed: list[str]) -> None:
    told: list[str] = []
    monkeypatch.setattr(head.log, "log", lambda level, *_, **__: told.append(level))
    failing = made()
    assert not failing._evaluate([])
    assert not failing._evaluate([])
    assert told == ["warning"]
    failing.free()
    assert freed == [BATCH, POOL, CONTEXT]


def test_the_rest_of_a_sequence_that_begins_anew_is_left_out(
    monkeypatch: pytest.MonkeyPatch, freed: list[str]
) -> None:
    """With nothing before it, llama.cpp would refuse what the next text of the sequence begins with."""
    codes, seen = iter((-3, 0, 0, 0)), list[tuple[int, int]]()

    def process(*_: object) -> int:
        return next(codes)

    def add(_: object, sequence: int, token: int) -> int:
        seen.append((sequence, token))
        return 0

    monkeypatch.setattr(head.log, "log", lambda *_, **__: None)
    for name, function in (("process", process), ("batch_ext_add_token", add)):
        monkeypatch.setattr(head.lib, f"llama_{name}", function, raising=False)
    for name in ("batch_ext_set_pos", "batch_ext_set_embd_token"):
        monkeypatch.setattr(head.lib, f"llama_{name}", lambda *_: True, raising=False)
    monkeypatch.setattr(head.lib, "llama_embd", lambda *_: None, raising=False)
    monkeypatch.setattr(Nothing, "states_of_step", lambda self, count: [bytes(16)] * count)
    failing = made()
    failing.main.thread_count.record = lambda *_, **__: None  # type: ignore[method-assign]
    failing._held.append(head._Held())
    sequences: list[Any] = [SimpleNamespace(index=index, tokens=[], end=0) for index in range(2)]
    failing.note([(sequences[0], list(range(20))), (sequences[1], list(range(100, 120)))])
    assert seen == [(0, token) for token in range(8)] + [(1, token) for token in range(100, 120)]
    failing.free()
