"""How the program starts itself in another role."""

from __future__ import annotations

import sys

import pytest

from sidecar.worker.process import role_command


def test_from_source_a_role_is_this_interpreter_and_this_package() -> None:
    command = role_command("engine", "--log-level", "debug")
    assert command == [sys.executable, "-m", "sidecar", "--role", "engine", "--log-level", "debug"]


def test_frozen_a_role_is_this_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/app/llama-sidecar")
    assert role_command("engine") == ["/opt/app/llama-sidecar", "--role", "engine"]
