"""A conversation with a model: what was said, and asking for the next answer."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from sidecar.cli import failure
from sidecar.cli.client import Client, SidecarFailed
from sidecar.cli.command import Refusal
from sidecar.cli.generate import loading
from sidecar.cli.generate.answer import Answer
from sidecar.cli.generate.arguments import sampling
from sidecar.cli.generate.interrupts import Interrupts
from sidecar.cli.generate.texts import read_file
from sidecar.cli.shown.bar import ProgressBar

if TYPE_CHECKING:
    from sidecar.message_handler._types import ChatResult, CountTokensResult, Message

VERSION: Final = 1
"""Of a saved conversation: the npm client's `chatSession` reads and writes the same."""

OTHER_FILE: Final = "Choose another file."


class Conversation:
    """Asks a model and remembers what was said. Each question sends all of it; the cache makes that cheap."""

    def __init__(self, client: Client, options: argparse.Namespace, interrupts: Interrupts) -> None:
        self.client = client
        self.options = options
        self.bar = ProgressBar(sys.stderr)
        self.system: str = options.system or ""
        self.messages: list[Message] = []
        self.attached: list[str] = []
        """Texts of files, which go with the next question."""
        self._interrupts = interrupts
        with interrupts.caught():
            loading.begin(client, options)
            self.loaded = loading.load(client, options, options.model, self.bar)

    def ask(self, text: str) -> None:
        """Say something, and print the answer."""
        said: Message = {"role": "user", "content": "\n\n".join([*self.attached, text])}
        if self._answer([*self.messages, said]):
            self.attached.clear()

    def regenerate(self) -> None:
        """Print another answer to the last question."""
        asked = [number for number, message in enumerate(self.messages) if message["role"] == "user"]
        if not asked:
            raise Refusal("nothing was asked yet.")
        self._answer(self.messages[: asked[-1] + 1])

    def switch_to(self, name: str) -> None:
        """Go on with another model. The present one stays if that one cannot be loaded."""
        before = self.loaded
        with self._interrupts.caught():
            self.loaded = loading.load(self.client, self.options, name, self.bar)
        self.client.call("unloadModel", {"modelId": before.model["modelId"]})

    def count(self, messages: list[Message]) -> int:
        """The tokens of these messages; 0 if there are none."""
        if not messages:
            return 0
        params = {"contextId": self.loaded.context["contextId"], "messages": messages}
        counted: CountTokensResult = self.client.call("countTokens", params)
        return counted["tokens"]

    def everything(self) -> list[Message]:
        """All messages, the system's first."""
        return self._with_system(self.system, self.messages)

    def save(self, name: str) -> None:
        """Write the conversation to a file. Only a saved conversation is overwritten."""
        path = os.path.expanduser(name)
        if os.path.exists(path):
            _read(name)
        saved: dict[str, object] = {"version": VERSION, "messages": self.messages}
        if self.system:
            saved["system"] = self.system
        new = f"{path}.{os.getpid()}.new"
        try:
            with open(new, "w", encoding="utf-8") as file:
                json.dump(saved, file, indent=2, ensure_ascii=False)
                file.write("\n")
            os.replace(new, path)
        except OSError as error:
            raise Refusal(f"{name} cannot be written: {error.strerror}.") from None

    def restore(self, name: str) -> int:
        """Go on with the conversation of a file. Returns its tokens."""
        saved = _read(name)
        system, messages = saved.get("system") or "", saved["messages"]
        try:
            tokens = self.count(self._with_system(system, messages))
        except SidecarFailed as failed:
            if failed.kind != "invalidParams":
                raise
            raise Refusal(f"{name} has messages that are none. {OTHER_FILE}") from None
        self.system, self.messages = system, messages
        return tokens

    def _with_system(self, system: str, messages: list[Message]) -> list[Message]:
        first: list[Message] = [{"role": "system", "content": system}] if system else []
        return [*first, *messages]

    def _answer(self, asked: list[Message]) -> bool:
        """Print the answer to the last of these messages; returns whether there is one to remember."""
        answer = Answer(sys.stdout, self.bar)
        params = {
            **{"contextOverflow": "shift", **sampling(self.options)},
            "contextId": self.loaded.context["contextId"],
            "messages": self._with_system(self.system, asked),
        }
        try:
            with self._interrupts.caught():
                result: ChatResult = self.client.call("chat", params, answer.notified)
        except SidecarFailed as failed:
            answer.end()
            if not failed.kind:  # the program is gone
                raise
            stopped = failed.kind == "aborted"
            print("(stopped)" if stopped else failure.sentence(failed), file=sys.stderr)
            partial = failed.data.get("partial", {})
            if not (stopped and partial.get("text")):
                return False
            said: Message = {"role": "assistant", "content": partial["text"]}
            self.messages = [*asked, said]
            return True
        answer.end()
        if result["finishReason"] == "length":
            print("(--max-tokens ended the answer)", file=sys.stderr)
        if "truncatedTokens" in result["usage"]:
            print("(The context is full: what was said first no longer counts.)", file=sys.stderr)
        self.messages = [*asked, cast("Message", result["message"])]
        return True


def _read(name: str) -> dict[str, Any]:  # what `save` has written
    try:
        saved: Any = json.loads(read_file(name))  # anything
        if saved["version"] == VERSION and isinstance(saved["messages"], list):
            return {"system": saved.get("system"), "messages": saved["messages"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise Refusal(f"{name} is not a conversation that /save has written. {OTHER_FILE}")
