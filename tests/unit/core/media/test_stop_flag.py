"""How often the encoder looks whether it shall stop."""

from __future__ import annotations

import pytest

from sidecar.core.media import stop_flag
from sidecar.core.media.stop_flag import FIRST_NODES, MAX_NODES, SLICE_S, StopFlag


def operations(flag: StopFlag) -> int:
    """How many operations come before the next look."""
    return next(count for count in range(1, MAX_NODES + 2) if flag._on_node(None, True, None))


def test_the_time_between_two_looks_stays_short_and_the_looks_stay_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, flag = 0.0, StopFlag()
    monkeypatch.setattr(stop_flag.time, "monotonic", lambda: now)
    for per_node, expected in ((SLICE_S / 10_000, MAX_NODES), (SLICE_S, FIRST_NODES), (SLICE_S / 100, 80)):
        for _ in range(10):
            count = operations(flag)
            now += count * per_node
            assert flag._on_node(None, False, None)
        assert count == expected
    flag.begin()
    now += 3600  # another picture, much later
    assert operations(flag) == 80
    flag.is_set = True
    assert operations(flag) == 1
    assert not flag._on_node(None, False, None)
