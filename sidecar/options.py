"""Reads the options of the program when it serves a client, without argparse. Makes its own command line.

argparse and its imports take 20 ms, a quarter of the time to the first answer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from sidecar.message_handler.framing import MAX_LINE_BYTES
from sidecar.message_handler.log import LEVELS

Argument = dict[str, Any]  # keyword arguments of argparse's add_argument: a type for each name

OPTIONS: Final[dict[str, Argument]] = {
    "--parent-pid": {"type": int, "metavar": "PID", "help": "exit when this process ends"},
    "--finish": {
        "action": "store_true",
        "default": False,
        "help": "at the end of stdin, finish the open requests and exit (default: abort them and exit)",
    },
    "--log-level": {
        "choices": tuple(LEVELS),
        "default": "warning",
        "help": "lowest log level on stderr (%(default)s)",
    },
    "--max-line-bytes": {
        "type": int,
        "metavar": "N",
        "default": MAX_LINE_BYTES,
        "help": "longest accepted request line (%(default)s)",
    },
    "--role": {"choices": ("router", "engine", "transfer", "trial"), "default": "router"},
}
"""Option → its argparse arguments. An option without a help text is internal."""


def read(arguments: Sequence[str]) -> SimpleNamespace | None:
    """The same namespace that argparse returns, if all options are written in full, as programs write them.

    None for any other command line: a command, a request for help, a mistake. cli/arguments.py reads those.
    """
    found: dict[str, object] = {_destination(name): about.get("default") for name, about in OPTIONS.items()}
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


def _value(about: Argument, text: str | None) -> object:
    """The value of an option, or None if the text is not valid for it."""
    if text is None or text not in about.get("choices", (text,)):
        return None
    try:
        value: object = about.get("type", str)(text)
    except ValueError:
        return None
    return value


def _destination(name: str) -> str:
    return name.lstrip("-").replace("-", "_")
