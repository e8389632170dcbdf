"""The commands that compute: chat, complete, and vectors (embed, rerank).

arguments has their options; loading finds and loads a model; texts reads what to work on. Of chat, conversation has
what was said, slash its /commands; answer prints; interrupts makes Ctrl-C stop an answer; line_editor reads what is
typed.
"""

from __future__ import annotations

import argparse
import sys


def run_generating_command(options: argparse.Namespace) -> int:
    """Run a command. `chat` at a terminal is a conversation, in a pipe one answer. Returns the exit status."""
    from sidecar.cli import command
    from sidecar.cli.generate import chat, complete, vectors

    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if options.command == "chat" and at_terminal and options.prompt is None and not options.json:
        return command.run_until_done(chat.talk, options)
    if not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    commands = {
        "chat": chat.answer_once,
        "complete": complete.complete,
        "embed": vectors.embed,
        "rerank": vectors.rerank,
    }
    return command.run(commands[options.command], options)
