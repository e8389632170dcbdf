"""The options of a program that serves: reads them at every start without argparse, and writes command lines.

argparse and what it imports to write a help text take 20 ms, a quarter of the time to the first answer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from sidecar.message_handler.framing import MAX_LINE_BYTES
from sidecar.message_handler.log import LEVELS

OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "--parent-pid": {"type": int, "metavar": "PID", "help": "end when this process ends"},
    "--finish": {
        "action": "store_true",
        "default": False,
        "help": "at the end of stdin finish the open requests, then exit (default: abort them and exit)",
    },
    "--log-level": {
        "choices": tuple(LEVELS),
        "default": "warning",
        "help": "lowest level on stderr (%(default)s)",
    },
    "--max-line-bytes": {
        "type": int,
        "metavar": "N",
        "default": MAX_LINE_BYTES,
        "help": "longest request line that is accepted (%(default)s)",
    },
    "--role": {"choices": ("router", "engine", "transfer", "trial"), "default": "router"},
}
"""Option → what argparse is told of it. One without a help text is the program's own affair."""


def read(arguments: Sequence[str]) -> Any:
    """A namespace as argparse makes it, of options written out in full, as programs write them.

    None for every other command line: a command, a cry for help, a mistake. arguments.py reads those.
    """
    found = {_destination(name): about.get("default") for name, about in OPTIONS.items()}
    words = iter(arguments)
    for name in words:
        about = OPTIONS.get(name)
        if about is None:
            return None
        value = True if "action" in about else _value(about, next(words, None))
        if value is None:
            return None
        found[_destination(name)] = value
    return SimpleNamespace(command=None, **found)


def own_command(*arguments: str) -> list[str]:
    """The command line that starts this program again, frozen or not."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "sidecar"]
    return [*program, *arguments]


def _value(about: dict[str, Any], text: str | None) -> Any:
    """None if it is not one that the option takes."""
    if text is None or text not in about.get("choices", (text,)):
        return None
    try:
        return about.get("type", str)(text)
    except ValueError:
        return None


def _destination(name: str) -> str:
    return name.lstrip("-").replace("-", "_")
