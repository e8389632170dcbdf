"""The command line, for people."""

from __future__ import annotations

import json
import subprocess

import pytest
from driver import WAIT_S, environment

import sidecar


def run(program: list[str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command, stdin = [*program, *arguments], subprocess.DEVNULL
    return subprocess.run(command, stdin=stdin, capture_output=True, timeout=WAIT_S, env=environment())


def text_of(shown: subprocess.CompletedProcess[bytes]) -> str:
    """What is shown, in ASCII, as every console can show that; with the line ends of Linux."""
    return shown.stdout.decode("ascii").replace("\r\n", "\n")


def test_help_shows_the_options_and_how_to_begin(program: list[str]) -> None:
    shown = run(program, "--help")
    assert shown.returncode == 0
    text = shown.stdout.decode()
    for needed in (
        "--version",
        "--print-schema",
        "--finish",
        "--parent-pid",
        "--log-level",
        "demo",
        "loadModel",
    ):
        assert needed in text
    assert "--role" not in text, "roles are for the program itself"


COMMANDS = (
    *("demo", "pull", "list", "rm", "inspect", "estimate", "rpc-worker"),
    *("chat", "complete", "embed", "rerank"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_its_options_and_an_example(program: list[str], command: str) -> None:
    assert f"\n    {command} " in text_of(run(program, "--help"))
    shown = run(program, command, "--help")
    assert (shown.returncode, shown.stderr) == (0, b"")
    text = text_of(shown)
    assert f"usage: llama-sidecar {command}" in text
    assert f"example:\n  llama-sidecar {command}" in text
    assert "--token" not in text, "process lists show arguments"
    if command not in ("demo", "rm", "rpc-worker"):
        assert "--json" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["pull"],
        ["rm"],
        ["list", "more"],
        ["inspect"],
        ["estimate", "a.gguf", "--context-size", "0"],
        ["estimate", "a.gguf", "--gpu-layers", "all"],
        ["pull", "owner/repo", "--token", "secret"],
    ],
)
def test_wrong_usage_is_reported_on_stderr_with_status_2(program: list[str], arguments: list[str]) -> None:
    shown = run(program, *arguments)
    assert (shown.returncode, shown.stdout) == (2, b"")
    assert shown.stderr.startswith(b"usage: llama-sidecar")


def test_version_is_the_package_version(program: list[str]) -> None:
    assert text_of(run(program, "--version")) == f"llama-sidecar {sidecar.__version__}\n"


def test_print_schema_prints_an_openrpc_document(program: list[str]) -> None:
    document = json.loads(run(program, "--print-schema").stdout)
    assert {method["name"] for method in document["methods"]} >= {"init", "chat", "exit"}


def test_a_wrong_option_is_reported_on_stderr_with_status_2(program: list[str]) -> None:
    shown = run(program, "--no-such-option")
    assert (shown.returncode, shown.stdout) == (2, b"")
    assert b"--no-such-option" in shown.stderr


def test_demo_loads_a_model_and_shows_its_answer(program: list[str], model_path: str) -> None:
    shown = run(program, "demo", "--model", model_path, "--prompt", "Say hello.")
    assert shown.returncode == 0
    text = shown.stdout.decode("utf-8", "replace")  # from source on Windows, a pipe has the system's encoding
    assert '> {"jsonrpc":"2.0","id":1,"method":"init"' in text
    assert "tokens" in text.splitlines()[-3]


def test_demo_without_a_model_says_what_to_do(program: list[str]) -> None:
    shown = run(program, "demo", "--model", "no/such/file.gguf")
    assert shown.returncode == 1
    assert "there is no file" in shown.stderr.decode()
