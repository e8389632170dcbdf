"""Runs a command that asks the program: starts it, makes Ctrl-C an abort, prints errors, chooses the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final

from sidecar.cli import failure
from sidecar.cli.client import Client, SidecarFailed
from sidecar.worker.lifecycle import on_end_signals

Command = Callable[[Client, argparse.Namespace], None]

FAILED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130
"""The exit status that shells expect after Ctrl-C."""


class Refusal(Exception):
    """What a person gave cannot be used; the text says why, and what to do."""


def run(command: Command, options: argparse.Namespace) -> int:
    """Start the program and run a command that Ctrl-C ends. Returns the exit status."""

    def interruptible(client: Client, given: argparse.Namespace) -> None:
        on_end_signals(_Interruption(client))
        command(client, given)

    return run_until_done(interruptible, options)


def run_until_done(command: Command, options: argparse.Namespace) -> int:
    """The same for a command that decides itself what Ctrl-C does."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with Client(log_level="error") as client:
            command(client, options)
    except SidecarFailed as failed:
        if failed.kind == "aborted":
            print(failure.stopped(failed.data), file=sys.stderr)
            return INTERRUPTED
        print(f"llama-sidecar: {failure.sentence(failed)}", file=sys.stderr)
        return WRONG_USAGE if failed.kind == "invalidParams" else FAILED
    except Refusal as refusal:
        print(f"llama-sidecar: {refusal}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:  # before there was a request to abort
        return INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return 0


class _Interruption:
    """Ctrl-C: the first aborts the request, the second ends this process. Downloaded bytes are kept in both cases."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._again = False

    def __call__(self) -> None:
        if self._again:
            os._exit(INTERRUPTED)
        self._again = True
        self._client.abort()
