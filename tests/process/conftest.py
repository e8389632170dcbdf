"""What the tests of the frozen program share: which form it is, and a temporary folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ship import freeze


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """The form under test; for tests with the mark `form`."""
    chosen: str = request.config.getoption("--runtime")
    return chosen


@pytest.fixture
def one_file() -> Path:
    return freeze.ONE_FILE


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A temporary folder for the program alone, with blanks and letters that are not ASCII in its name."""
    folder = tmp_path / "Temporäre Dateien 模型"
    folder.mkdir()
    return folder
