"""What the tests of processes share: a made model, which form the program is, a temporary folder of its own."""

from __future__ import annotations

from pathlib import Path

import gguf_files
import pytest

from ship import freeze


@pytest.fixture(scope="session")
def made_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that loads within milliseconds, whose tokens take no time."""
    return gguf_files.ascii_model(tmp_path_factory.mktemp("made") / "made.gguf")


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
