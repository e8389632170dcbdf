"""`llama-sidecar chat`: a conversation at a terminal, or one answer in a pipe."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from sidecar.cli import failure
from sidecar.cli.client import Client, SidecarFailed
from sidecar.cli.command import Refusal
from sidecar.cli.generate import loading, slash
from sidecar.cli.generate.answer import Answer
from sidecar.cli.generate.arguments import sampling
from sidecar.cli.generate.conversation import Conversation
from sidecar.cli.generate.interrupts import Interrupts
from sidecar.cli.generate.texts import whole_stdin
from sidecar.cli.shown.bar import ProgressBar
from sidecar.cli.shown.terminal import width

if TYPE_CHECKING:
    from sidecar.message_handler._types import ChatResult, Message


def answer_once(client: Client, options: argparse.Namespace) -> None:
    """Print the answer to `--prompt` and stdin, or with `--json` the result."""
    piped = "" if sys.stdin.isatty() and options.prompt is not None else whole_stdin()
    text = "\n\n".join(part for part in (options.prompt, piped) if part)
    if not text:
        raise Refusal("there is no message. Give it with --prompt, or on stdin.")
    system: list[Message] = [{"role": "system", "content": options.system}] if options.system else []
    bar = ProgressBar(sys.stderr)
    loading.begin(client, options)
    loaded = loading.load(client, options, options.model, bar)
    answer = Answer(sys.stdout, bar, shows=not options.json, thoughts=sys.stdout.isatty())
    params = {**sampling(options), "contextId": loaded.context["contextId"]}
    try:
        result: ChatResult = client.call(
            "chat", {**params, "messages": [*system, {"role": "user", "content": text}]}, answer.notified
        )
    finally:
        answer.end()
    if options.json:
        print(json.dumps(result, indent=2))


def talk(client: Client, options: argparse.Namespace) -> None:
    """Talk with a person until they leave."""
    from sidecar.cli.generate.line_editor import LineEditor  # takes 70 ms

    interrupts = Interrupts(client)
    conversation = Conversation(client, options, interrupts)
    print(loading.banner(conversation.loaded, width(sys.stdout)))
    editor = LineEditor(slash.COMMANDS)
    while True:
        try:
            line = editor.ask()
            if line is None:
                return
            with (
                interrupts.caught()
            ):  # in the middle of an answer's line, KeyboardInterrupt would lose the rest
                _take(conversation, line)
        except slash.Leave:
            return
        except KeyboardInterrupt:
            print("(/exit or Ctrl-D ends the chat)")
        except Refusal as refusal:
            print(refusal, file=sys.stderr)
        except SidecarFailed as failed:
            if not failed.kind:  # the program is gone
                raise
            text = failure.stopped(failed.data) if failed.kind == "aborted" else failure.sentence(failed)
            print(text, file=sys.stderr)


def _take(conversation: Conversation, line: str) -> None:
    if line.startswith("/") and not line.startswith("//"):
        slash.run(conversation, line)
    elif line:
        conversation.ask(line.removeprefix("/") if line.startswith("//") else line)
