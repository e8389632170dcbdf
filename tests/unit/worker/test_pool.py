"""The table of models, contexts and engines, with stand-ins for engines."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.message_handler.errors import SidecarError
from sidecar.worker import pool as module
from sidecar.worker.pool import CRASH_WINDOW_S, MAX_CRASHES, MAX_WAITING_BYTES, Pool, Settings


class FakeProcess:
    """Stands for a WorkerProcess."""

    def __init__(self, role: str, arguments: list[str], *_: Any) -> None:
        self.role = role
        self.arguments = arguments
        self.pid = id(self)
        self.killed_by_us = False
        self.crashed = True
        self.sent: list[Any] = []
        self.writer = SimpleNamespace(waiting_bytes=0)

    def start_after(self, others: Any) -> None:
        if others:
            self.sent.append(("after", *others))

    def send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(module, "WorkerProcess", FakeProcess)
    return Pool(Settings(), lambda *_: None, lambda *_: None)


def kind_of(call: Any) -> str:
    with pytest.raises(SidecarError) as caught:
        call()
    caught.value.to_wire()
    return caught.value.kind


def ready(pool: Pool) -> Any:
    model = pool.add_model({"path": "m.gguf"})
    model.state = "ready"
    return model


def test_ids_count_up_and_are_never_used_again(pool: Pool) -> None:
    first = pool.add_model({"path": "a"})
    pool.forget(first)
    second = pool.add_model({"path": "b"})
    assert (first.model_id, second.model_id) == ("model-1", "model-2")
    ids = [pool.add_context(second, {})["contextId"] for _ in range(3)]
    second.contexts.pop("context-3")
    assert [*ids, pool.add_context(second, {})["contextId"]] == [f"context-{n}" for n in (1, 2, 3, 4)]


def test_a_model_takes_the_spare_engine_and_the_next_one_another(pool: Pool) -> None:
    spare = pool.spare()
    assert pool.spare() is spare
    first, second = pool.add_model({"path": "a"}), pool.add_model({"path": "b"})
    assert first.process is spare
    assert second.process is not spare
    assert len(pool.processes) == 2


def test_a_model_is_loaded_by_the_settings_of_its_time(pool: Pool) -> None:
    pool.settings = Settings(gpu="cpu", max_threads=3)
    model = pool.add_model({"path": "a", "useMmap": False})
    pool.settings = Settings()
    assert model.load == {"path": "a", "useMmap": False, "modelId": "model-1", "gpu": "cpu", "maxThreads": 3}


def test_a_model_reads_media_where_init_allowed_it(pool: Pool) -> None:
    assert "mediaDirectories" not in pool.add_model({"path": "a"}).load
    for directories in ([], ["/pictures"]):
        pool.settings = Settings(media_directories=directories)
        assert pool.add_model({"path": "a"}).load["mediaDirectories"] == directories


def test_a_model_is_loaded_with_the_rpc_servers_of_its_time_unless_it_stays_here(pool: Pool) -> None:
    pool.settings = Settings(rpc_servers=("a:1", "b:2"))
    split, local = pool.add_model({"path": "a"}), pool.add_model({"path": "a", "gpuLayers": 0})
    pool.settings = Settings()
    assert split.load["rpcServers"] == split.rpc_servers == ["a:1", "b:2"]
    assert local.rpc_servers == []
    assert pool.add_model({"path": "a"}).rpc_servers == []


def test_unknown_ids_are_reported_with_those_that_are_known(pool: Pool) -> None:
    model = ready(pool)
    pool.add_context(model, {})
    for call, pointer, known in (
        (lambda: pool.model("model-9"), "/modelId", ["model-1"]),
        (lambda: pool.model_of_context("x" * 1000), "/contextId", ["context-1"]),
    ):
        with pytest.raises(SidecarError) as caught:
            call()
        assert caught.value.details["pointer"] == pointer
        assert caught.value.details["allowed"] == known
        assert len(caught.value.details["value"]) <= 200
    assert pool.model_of_context("context-1") is model


def test_nothing_is_sent_before_others_have_given_their_memory_back(pool: Pool) -> None:
    model, leaving = ready(pool), FakeProcess("engine", [])
    pool.died(model.process)
    engine: Any = pool.engine(model, [leaving])  # type: ignore[list-item]  # stands for a WorkerProcess
    first, second = engine.sent
    assert first == ("after", leaving) and second["method"] == "restore"
    another: Any = pool.add_model({"path": "b"}, [leaving]).process  # type: ignore[list-item]
    assert another.sent == [("after", leaving)]


def test_the_engine_of_a_dead_model_is_started_again_with_all_that_it_had(pool: Pool) -> None:
    model = ready(pool)
    pool.add_context(model, {"modelId": "model-1", "contextSize": 64})
    dead = model.process
    assert pool.died(dead) is model
    assert (model.state, model.process, dead in pool.processes) == ("crashed", None, False)
    engine: Any = pool.engine(model)
    assert engine is not dead
    assert pool.engine(model) is engine
    (restore,) = engine.sent
    assert restore["method"] == "restore"
    assert restore["params"]["load"] == model.load
    assert [c["contextId"] for c in restore["params"]["contexts"]] == ["context-1"]
    assert model.state == "ready"


def test_the_death_of_the_spare_engine_affects_no_model(pool: Pool) -> None:
    ready(pool)
    spare = pool.spare()
    assert pool.died(spare) is None
    assert pool.spare() is not spare


def test_a_model_that_keeps_crashing_is_given_up(pool: Pool) -> None:
    model = ready(pool)
    for _ in range(MAX_CRASHES):
        pool.died(pool.engine(model))
    assert kind_of(lambda: pool.engine(model)) == "engineCrashed"


def test_crashes_long_ago_are_forgiven(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ready(pool)
    for _ in range(MAX_CRASHES):
        pool.died(pool.engine(model))
    later = time.monotonic() + CRASH_WINDOW_S + 1
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: later))
    pool.engine(model)


BAD, GOOD = {"text": "bad"}, {"text": "good"}


def test_a_request_that_has_ended_two_engines_is_refused_and_no_other(pool: Pool) -> None:
    model = ready(pool)
    for number in range(2 * MAX_CRASHES):
        bad = {"text": f"bad {number}"}
        for _ in range(2):
            model.crashes.check(bad)
            pool.died(pool.engine(model), [bad])
        assert kind_of(lambda bad=bad: model.crashes.check(bad)) == "requestCrashes"
        model.crashes.check(GOOD)
    pool.engine(model)


def test_two_requests_that_were_open_at_two_deaths_are_not_accused(pool: Pool) -> None:
    model = ready(pool)
    for _ in range(2):
        pool.died(pool.engine(model), [BAD, GOOD])
    model.crashes.check(BAD)
    model.crashes.check(GOOD)
    assert model.crashes.recent == 2
    pool.died(pool.engine(model), [BAD])
    model.crashes.check(GOOD)
    assert kind_of(lambda: model.crashes.check(BAD)) == "requestCrashes"


def test_a_request_is_not_accused_when_others_end_its_engines(pool: Pool) -> None:
    model = ready(pool)
    for _ in range(MAX_CRASHES):
        engine: Any = pool.engine(model)
        engine.crashed = False
        pool.died(engine, [GOOD])
    model.crashes.check(GOOD)
    assert kind_of(lambda: pool.engine(model)) == "engineCrashed"


def test_an_engine_that_was_ended_for_an_abort_did_not_crash(pool: Pool) -> None:
    model = ready(pool)
    for _ in range(MAX_CRASHES + 1):
        engine = pool.engine(model)
        engine.killed_by_us = True
        pool.died(engine)
    pool.engine(model)


def test_an_engine_that_does_not_keep_up_gets_no_more(pool: Pool) -> None:
    model = ready(pool)
    writer: Any = model.process.writer
    writer.waiting_bytes = MAX_WAITING_BYTES + 1
    assert kind_of(lambda: pool.engine(model)) == "overloaded"


def test_an_engine_that_cannot_be_started_is_reported(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(module, "WorkerProcess", refuse)
    assert kind_of(pool.spare) == "engineStartFailed"
    assert pool.processes == []
