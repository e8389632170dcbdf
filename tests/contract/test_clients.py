"""A shell as client. package.json-shim/test has vscode-jsonrpc and json-rpc-2.0."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gguf_files
import pytest

pytestmark = pytest.mark.process

BOUND_S = 60


def pipe(command: list[str], text: str) -> tuple[int, list[Any]]:
    """Run a program with this input; returns its status and the messages that it wrote."""
    done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=False, timeout=BOUND_S)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def main_job(path: str) -> str:
    requests = [
        ("loadModel", {"path": path}),
        ("createContext", {"modelId": "model-1", "contextSize": 128}),
        ("chat", {"contextId": "context-1", "messages": [{"role": "user", "content": "Hi"}], "maxTokens": 3}),
    ]
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        for number, (method, params) in enumerate(requests, 1)
    ]
    return "\n".join(lines) + "\n"


def results(messages: list[Any]) -> dict[Any, Any]:
    return {m["id"]: m["result"] for m in messages if "result" in m}


def test_a_pipe_with_finish_is_answered_to_the_end(program: list[str], tmp_path: Path) -> None:
    text = main_job(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    status, messages = pipe([*program, "--finish"], text)
    assert status == 0
    answers = results(messages)
    assert list(answers) == [1, 2, 3]
    assert answers[3]["usage"]["completionTokens"] <= 3
    streamed = [
        m["params"]["delta"] for m in messages if m.get("params", {}).get("progressType") == "generate"
    ]
    assert "".join(streamed) == answers[3]["message"]["content"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_the_shell_example_of_the_help_works(program: list[str], tmp_path: Path) -> None:
    script = "\"$@\" --finish <<'END'\n" + main_job(gguf_files.tiny_model(tmp_path / "tiny.gguf")) + "END\n"
    status, messages = pipe(["sh", "-c", script, "sh", *program], "")
    assert status == 0
    assert list(results(messages)) == [1, 2, 3]


def test_a_last_line_without_newline_is_accepted(program: list[str]) -> None:
    status, messages = pipe([*program, "--finish"], '{"jsonrpc":"2.0","id":1,"method":"ping"}')
    assert (status, list(results(messages))) == (0, [1])


def test_without_finish_the_end_of_stdin_still_answers_every_request(
    program: list[str], tmp_path: Path
) -> None:
    text = main_job(gguf_files.tiny_model(tmp_path / "tiny.gguf"))
    status, messages = pipe(program, text)
    assert status == 0
    answered = [m["id"] for m in messages if "id" in m]
    assert sorted(answered) == [1, 2, 3]
    for message in messages:
        if "error" in message:
            assert message["error"]["data"]["kind"] == "shuttingDown"


@pytest.mark.parametrize("options", [[], ["--finish"]])
def test_shutdown_is_answered_even_if_stdin_ends_right_after_it(
    program: list[str], options: list[str]
) -> None:
    for _ in range(5):
        status, messages = pipe([*program, *options], '{"jsonrpc":"2.0","id":1,"method":"shutdown"}\n')
        assert (status, messages) == (0, [{"jsonrpc": "2.0", "id": 1, "result": None}])


def test_requests_after_a_shutdown_are_answered_once_or_not_read(program: list[str]) -> None:
    lines = ['{"jsonrpc":"2.0","id":0,"method":"shutdown"}']
    lines += [f'{{"jsonrpc":"2.0","id":{n},"method":"ping"}}' for n in range(1, 50)]
    status, messages = pipe(program, "\n".join(lines) + "\n")
    assert status == 0
    assert len({m["id"] for m in messages}) == len(messages)
    assert messages[[m["id"] for m in messages].index(0)]["result"] is None
    for message in messages:
        if "error" in message:
            assert message["error"]["data"]["kind"] == "shuttingDown"
