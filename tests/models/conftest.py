"""A hub of its own for each test of models and downloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty hub on loopback."""
    with Hub() as served:
        yield served
