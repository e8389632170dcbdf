"""A person at a shell, who runs the commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import console
import psutil
from download_work import surroundings
from driver import MARK
from hub import Hub
from liveness import environment_of
from terminal import Terminal

BOUND_S = 60

Shown = subprocess.CompletedProcess[str]


class Person:
    """A person at a shell: runs the program with the hub's address in the environment."""

    def __init__(self, program: list[str], hub: Hub, folder: Path) -> None:
        self.program = program
        self.directory = folder / "data" / "llama-sidecar" / "models"
        self.environment = surroundings(
            folder / "home",
            HF_ENDPOINT=hub.endpoint,
            XDG_DATA_HOME=str(folder / "data"),
            LOCALAPPDATA=str(folder / "data"),
            HOME=str(folder),
            PYTHONUTF8="1",
            **{MARK: str(folder)},
        )

    def run(self, *arguments: str, given: str = "", **environment: str) -> Shown:
        """Run a command to its end, with pipes for its output, and this text on stdin."""
        return subprocess.run(
            [*self.program, *arguments],
            input=given,
            capture_output=True,
            encoding="utf-8",
            timeout=BOUND_S,
            env={**self.environment, **environment},
        )

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Run a command and leave it running."""
        return subprocess.Popen(
            [*self.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=self.environment,
            creationflags=console.OWN,
        )

    def at_terminal(self, columns: int, *arguments: str, **environment: str) -> Terminal:
        """Run a command at a terminal of this width."""
        return Terminal([*self.program, *arguments], columns, {**self.environment, **environment})

    def left_behind(self) -> list[psutil.Process]:
        """Processes of these commands that are still running."""
        found = []
        for process in psutil.process_iter():
            try:
                if environment_of(process).get(MARK) == self.environment[MARK]:
                    found.append(process)
            except psutil.Error:
                continue
        return found
