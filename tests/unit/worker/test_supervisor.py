"""How long an aborted request may take to stop before its process is killed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.worker.supervisor import LOAD_GRACE_S, WORK_GRACE_S, Supervisor


@pytest.mark.parametrize(
    ("method", "params", "ready", "grace_s"),
    [
        ("downloadModel", {}, True, LOAD_GRACE_S),
        ("downloadModel", {"keepPartial": False}, True, WORK_GRACE_S),
        ("downloadModel", {"keepPartial": False}, False, LOAD_GRACE_S),
        ("loadModel", {}, False, LOAD_GRACE_S),
        ("complete", {}, True, WORK_GRACE_S),
    ],
)
def test_grace(method: str, params: dict[str, Any], ready: bool, grace_s: float) -> None:
    """A transfer that has files to delete gets time for it; one that has not begun has none."""
    role = "transfer" if method == "downloadModel" else "engine"
    process = SimpleNamespace(role=role, ready=ready, ignore_backpressure=False, send=lambda _: None)
    request = SimpleNamespace(id=1, method=method, params=params, process=process, cancelled=False)
    given: list[float] = []
    supervisor = SimpleNamespace(
        writer=SimpleNamespace(nudge=lambda: None),
        _give_grace=lambda _request, _process, seconds: given.append(seconds),
    )
    Supervisor.cancel(cast(Supervisor, supervisor), cast(Any, request))
    assert given == [grace_s] and request.cancelled
