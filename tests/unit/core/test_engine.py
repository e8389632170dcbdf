"""What the requests of an engine share, and which error they get without a model."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.core.engine import Engine
from sidecar.message_handler.errors import SidecarError


@pytest.fixture
def engine() -> Engine:
    nothing: Any = None
    return Engine(writer=nothing, llama_log=nothing, cpu_variant="haswell", notes=())


def kind(engine: Engine) -> str:
    with pytest.raises(SidecarError) as caught:
        engine.context("context-1")
    return caught.value.kind


def test_without_a_model_there_is_no_context(engine: Engine) -> None:
    assert kind(engine) == "modelNotFound"


def test_an_unknown_context_is_named(engine: Engine) -> None:
    model: Any = object()
    engine.model = model
    assert kind(engine) == "contextNotFound"
    context: Any = object()
    engine.contexts["context-1"] = context
    assert engine.context("context-1") is context


def test_a_model_that_could_not_be_loaded_again_fails_every_request(engine: Engine) -> None:
    engine.restore_error = SidecarError("engineCrashed", "x")
    assert [kind(engine), kind(engine)] == ["engineCrashed"] * 2


def test_where_it_may_help_each_request_tries_again(engine: Engine) -> None:
    model: Any = object()
    tries = []

    def try_again() -> None:
        tries.append(1)
        if len(tries) == 2:
            engine.restore_error = engine.restore_again = None
            engine.model = model

    engine.restore_error = SidecarError("rpcServerUnavailable", "x")
    engine.restore_again = try_again
    assert kind(engine) == "rpcServerUnavailable"
    assert engine.the_model() is model
    assert engine.the_model() is model
    assert len(tries) == 2
