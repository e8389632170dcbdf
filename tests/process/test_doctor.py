"""`llama-sidecar doctor`: it finds no problem in a whole installation, and says what to do about a damaged one."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Start
from download_work import surroundings
from hub import AUTHORITY, Hub

import sidecar
from ship import freeze

pytestmark = [pytest.mark.process, pytest.mark.real]

CHECKS = {"program", "files", "engine", "device", "memory", "self-test", "models", "hub"}
LLAMA, VARIANT = (
    ("libllama.dll", "ggml-cpu-x64.dll") if sys.platform == "win32" else ("libllama.so", "libggml-cpu-x64.so")
)
NOWHERE = "http://127.0.0.1:9"
"""A port on which no program listens."""

NO_PLACE = "Q:/models" if sys.platform == "win32" else "/proc/models"
"""A folder that nobody can make: on a drive that is not there, or where the system allows none."""


def run(program: list[str], home: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [*program, "doctor", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        env=surroundings(home, **environment),
        check=False,
    )
    return done.returncode, done.stdout.decode()


def examine(
    program: list[str], home: Path, *arguments: str, **environment: str
) -> tuple[int, dict[str, Any]]:
    status, text = run(program, home, "--json", *arguments, **environment)
    report: dict[str, Any] = json.loads(text)
    assert (report["ok"], report["version"]) == (status == 0, sidecar.__version__)
    for finding in report["findings"]:
        assert finding["status"] in ("ok", "warning", "problem")
        assert bool(finding["advice"]) == (finding["status"] != "ok"), finding
    return status, {finding["check"]: finding for finding in report["findings"]}


def test_a_whole_installation_has_no_problem(program: list[str], tmp_path: Path) -> None:
    models = tmp_path / "not made yet" / "models"
    with Hub() as hub:
        status, found = examine(
            program, tmp_path, "--endpoint", hub.endpoint, "--models-directory", str(models)
        )
    assert status == 0 and found.keys() == CHECKS
    assert {found[check]["status"] for check in CHECKS - {"memory", "models"}} == {"ok"}
    assert "8 tokens" in found["self-test"]["message"]
    assert str(models) in found["models"]["message"]
    assert not models.exists()


def test_it_reports_what_is_here(
    request: pytest.FixtureRequest, program: list[str], start: Start, tmp_path: Path
) -> None:
    about = start().call("init")
    _, found = examine(program, tmp_path, "--endpoint", NOWHERE)
    messages = {check: finding["message"] for check, finding in found.items()}
    assert f"CPU code for {about['llamaCpp']['cpuVariant']}, {about['threads']} threads" in messages["engine"]
    assert about["devices"][0]["description"] in messages["device"] and "free" in messages["device"]
    assert "are available" in messages["memory"]
    if request.config.getoption("--runtime") != "source":
        assert int(messages["files"].split()[0]) > 20, "it looks at next to nothing"
        assert "glibc" in messages["program"] or platform.libc_ver()[0] != "glibc"


def test_the_page_for_people_says_the_same(program: list[str], tmp_path: Path) -> None:
    status, page = run(program, tmp_path, "--endpoint", NOWHERE, "--models-directory", str(tmp_path))
    assert status == 0
    assert [line.split()[1] for line in page.splitlines() if line.startswith("ok")][:3] == [
        "program",
        "files",
        "engine",
    ]
    assert "warning  hub" in page and "Do: " in page


@pytest.mark.parametrize("place", ["file/models", NO_PLACE])
def test_what_cannot_be_reached_or_written_is_a_warning(
    program: list[str], tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("")
    models = str(tmp_path / place)
    status, found = examine(program, tmp_path, "--endpoint", NOWHERE, "--models-directory", models)
    assert status == 0
    assert found["hub"]["status"] == "warning"
    assert found["models"]["status"] == "warning" and f"{models} cannot be" in found["models"]["message"]
    assert found["self-test"]["status"] == "ok"


def test_a_hub_over_https_must_prove_who_it_is(program: list[str], tmp_path: Path) -> None:
    with Hub(tls=True) as hub:
        _, unknown = examine(program, tmp_path, "--endpoint", hub.endpoint)
        assert not list(hub.requests)
        _, known = examine(program, tmp_path, "--endpoint", hub.endpoint, SSL_CERT_FILE=str(AUTHORITY))
    assert (unknown["hub"]["status"], known["hub"]["status"]) == ("warning", "ok")
    assert "certificate" in unknown["hub"]["message"] and "SSL_CERT_FILE" in unknown["hub"]["message"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the folder, which a test may damage."""
    return Path(shutil.copytree(freeze.FOLDER, tmp_path / "llama-sidecar", symlinks=True))


@pytest.mark.form("onedir")
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_is_named(copy: Path, tmp_path: Path, damage: str) -> None:
    name = f"_internal/llama_cpp/lib/{VARIANT}"
    if damage == "missing":
        (copy / name).unlink()
    else:
        with (copy / name).open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"!")
    status, found = examine([str(copy / freeze.PROGRAM.name)], tmp_path, "--endpoint", NOWHERE)
    assert status == 1
    assert found["files"]["status"] == "problem" and name in found["files"]["message"]
    assert found["self-test"]["status"] == "ok", "another variant is in use"


@pytest.mark.form("onedir")
def test_an_engine_that_cannot_start_is_a_problem_with_its_reason(copy: Path, tmp_path: Path) -> None:
    (copy / "_internal" / "llama_cpp" / "lib" / LLAMA).unlink()
    status, found = examine([str(copy / freeze.PROGRAM.name)], tmp_path, "--endpoint", NOWHERE)
    assert status == 1
    assert found["engine"]["status"] == "problem" and "llama" in found["engine"]["message"]
    assert found["self-test"]["status"] == "problem"
