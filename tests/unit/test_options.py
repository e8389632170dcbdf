"""A command line is read as argparse would read it, or left to argparse."""

from __future__ import annotations

import sys

import pytest

from sidecar.cli.arguments import parse
from sidecar.options import OPTIONS, own_command, read


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--finish",
        "--log-level debug",
        "--parent-pid 12 --finish --max-line-bytes 100",
        "--role engine --log-level error",
        "--log-level debug --log-level error",
        "--parent-pid -1",
    ],
)
def test_options_of_programs_are_read_as_argparse_reads_them(line: str) -> None:
    options = read(line.split())
    assert options is not None
    expected = vars(parse(line.split()))
    assert {name: expected[name] for name in vars(options)} == vars(options)
    assert {name.removeprefix("--").replace("-", "_") for name in OPTIONS} < set(vars(options))


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "demo --model a.gguf",
        "--version",
        "--log-level",
        "--log-level loud",
        "--parent-pid x",
        "--parent-pid=12",
        "--fin",
        "--finish demo",
        "more",
        "--parent-pid --finish",
    ],
)
def test_everything_else_is_left_to_argparse(line: str) -> None:
    assert read(line.split()) is None


def test_from_source_the_own_command_is_this_interpreter_and_this_package() -> None:
    command = own_command("--role", "engine", "--log-level", "debug")
    assert command == [sys.executable, "-m", "sidecar", "--role", "engine", "--log-level", "debug"]


def test_frozen_the_own_command_is_this_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/app/llama-sidecar")
    assert own_command("--role", "engine") == ["/opt/app/llama-sidecar", "--role", "engine"]
