"""The /commands of a chat."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from typing import Final, NamedTuple

from sidecar.cli.command import Refusal
from sidecar.cli.generate import loading
from sidecar.cli.generate.conversation import Conversation
from sidecar.cli.generate.texts import read_file
from sidecar.cli.shown.figures import counted, size
from sidecar.cli.shown.terminal import DEFAULT_COLUMNS, printable, speakable, width

KEYS: Final = (
    "Ctrl-C stops an answer, Ctrl-D ends the chat. Alt-Enter begins a new line; Up and Ctrl-R find earlier messages; "
    "Tab completes commands. A message that begins with a slash is written with two."
)


class SlashCommand(NamedTuple):
    """A command; `run` gets what follows its name."""

    argument: str
    about: str
    run: Callable[[Conversation, str], None]


class Leave(Exception):
    """The chat ends."""


def run(conversation: Conversation, line: str) -> None:
    """Run the command of a line. Raises Leave at the end of the chat, and Refusal."""
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(ALIASES.get(name, name))
    if command is None:
        raise Refusal(
            f"there is no command {printable(name)}. /help shows all; // begins a message with a slash."
        )
    argument = argument.strip()
    if argument and not command.argument:
        raise Refusal(f"{name} takes nothing after it.")
    if not argument and command.argument and not command.argument.startswith("["):
        raise Refusal(f"{name} needs {command.argument}.")
    command.run(conversation, argument)


def _help(_conversation: Conversation, _argument: str) -> None:
    columns = width(sys.stdout) or DEFAULT_COLUMNS
    for name, command in COMMANDS.items():
        head = f"{name} {command.argument}".ljust(16)
        print("\n".join(textwrap.wrap(f"{head} {command.about}", columns, subsequent_indent=" " * 4)))
    print(textwrap.fill(KEYS, columns))


def _clear(conversation: Conversation, _argument: str) -> None:
    conversation.messages.clear()
    conversation.attached.clear()
    print("(a new conversation)")


def _regenerate(conversation: Conversation, _argument: str) -> None:
    conversation.regenerate()


def _system(conversation: Conversation, argument: str) -> None:
    if argument:
        conversation.system = "" if argument == "none" else argument
    print(f"System message: {speakable(conversation.system) or 'none'}")


def _read(conversation: Conversation, argument: str) -> None:
    text = read_file(argument)
    conversation.attached.append(text)
    print(f"({printable(argument)}, {size(len(text.encode()))}, goes with your next message)")


def _save(conversation: Conversation, argument: str) -> None:
    conversation.save(argument)
    print(f"({counted(len(conversation.messages), 'message')} in {printable(argument)})")


def _load(conversation: Conversation, argument: str) -> None:
    tokens = conversation.restore(argument)
    print(f"({counted(len(conversation.messages), 'message')}, {counted(tokens, 'token')})")


def _tokens(conversation: Conversation, _argument: str) -> None:
    tokens = conversation.count(conversation.everything())
    print(f"({tokens} of {conversation.loaded.context['contextSize']} tokens)")


def _model(conversation: Conversation, argument: str) -> None:
    models = loading.chatting(conversation.client)
    if argument.isdecimal() and 1 <= int(argument) <= len(models):
        argument = models[int(argument) - 1]["path"]
    if argument:
        conversation.switch_to(argument)
        print(loading.banner(conversation.loaded, width(sys.stdout)))
        return
    for number, model in enumerate(models, 1):
        mark = "*" if model["path"] == conversation.loaded.path else " "
        print(f"{mark}{number:2} {printable(model['path'])}")
    print("/model NUMBER or /model NAME goes on with another one.")


def _exit(_conversation: Conversation, _argument: str) -> None:
    raise Leave


COMMANDS: Final = {
    "/help": SlashCommand("", "show these commands", _help),
    "/clear": SlashCommand("", "begin a new conversation", _clear),
    "/regenerate": SlashCommand("", "another answer to the last message", _regenerate),
    "/system": SlashCommand("[TEXT]", "show or set the system message; none removes it", _system),
    "/read": SlashCommand("FILE", "the text of a file goes with the next message", _read),
    "/save": SlashCommand("FILE", "write the conversation to a file", _save),
    "/load": SlashCommand("FILE", "go on with a conversation that was saved", _load),
    "/tokens": SlashCommand("", "how much of the context is used", _tokens),
    "/model": SlashCommand("[NAME]", "show the models on this disk, or go on with another", _model),
    "/exit": SlashCommand("", "end the chat", _exit),
}
ALIASES: Final = {"/?": "/help", "/bye": "/exit", "/quit": "/exit", "/retry": "/regenerate"}
