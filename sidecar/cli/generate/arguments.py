"""The options of the commands that compute."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, Final

from sidecar.cli.common_options import MODEL, add_directory, add_hub, add_json, count, layers
from sidecar.cli.naming import given

HERE: Final = "MODEL may also be a file, or a name that `llama-sidecar list` shows.\n"
CHAT: Final = f"""\
Without MODEL it takes the one used last. /help in the chat shows its commands; Ctrl-C stops an answer.
With --prompt, or in a pipe, it prints one answer: what comes on stdin is the message, or is added to --prompt.

{MODEL}{HERE}"""
COMPLETE: Final = f"""\
The text goes to stdout while it is generated, everything else to stderr. A chat model answers better in `chat`.

{MODEL}{HERE}"""
EMBED: Final = f"""\
Prints one line of JSON for each text, in the same order. Without TEXT, each line of stdin is a text.

{MODEL}{HERE}"""
RERANK: Final = f"""\
Prints the documents with their scores, best first. Without DOCUMENT, each line of stdin is a document.
The model must be one that ranks.

{MODEL}{HERE}"""

CommandMaker = Callable[..., argparse.ArgumentParser]
REPO: Final = "bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M"


def add_commands_that_generate(command: CommandMaker) -> None:
    """Add `chat`, `complete`, `embed` and `rerank`."""
    chat = command("chat", "talk with a model", f"chat {REPO}", CHAT)
    chat.add_argument("model", metavar="MODEL", nargs="?", help="the model (default: the one used last)")
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--prompt", metavar="TEXT", help="ask this, print the answer and end")
    chat.add_argument("--no-thoughts", action="store_true", help="the model answers without reasoning first")

    complete = command(
        "complete", "continue a text", f'complete {REPO} "Once upon a time" --max-tokens 40', COMPLETE
    )
    _add_model(complete)
    complete.add_argument("prompt", metavar="TEXT", nargs="?", help="the text (default: what comes on stdin)")
    complete.set_defaults(rest="prompt")
    for each in (chat, complete):
        _add_sampling(each)

    embed = command("embed", "make vectors of texts", 'embed model.gguf "a cat" "a dog"', EMBED)
    _add_model(embed)
    embed.add_argument("texts", metavar="TEXT", nargs="*", help="a text")
    embed.set_defaults(rest="texts")
    embed.add_argument("--pooling", metavar="KIND", help="mean, cls, last or none (the model's own)")

    rerank = command(
        "rerank", "order documents by how well they fit", 'rerank model.gguf "cats" --files *.md', RERANK
    )
    _add_model(rerank)
    rerank.add_argument("query", metavar="QUERY", help="what is looked for")
    rerank.add_argument("texts", metavar="DOCUMENT", nargs="*", help="a document")
    rerank.set_defaults(rest="texts")
    rerank.add_argument("--top-n", type=count, metavar="N", help="print only the best N")
    for each in (embed, rerank):
        each.add_argument("--files", action="store_true", help="the texts are names of files, each one text")
    for each in (chat, complete, embed, rerank):
        _add_loading(each)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model")


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--max-tokens", type=count, metavar="N", help="end the text after N tokens")
    add("--temperature", type=float, metavar="T", help="0: always the likeliest token; more: more variety")
    add("--seed", type=int, metavar="N", help="the same seed gives the same text")
    add(
        "--params",
        type=_members,
        default={},
        metavar="JSON",
        help="other params of the request, as `--print-schema` describes them: '{\"topK\": 20}'",
    )


def _add_loading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--context-size", type=_size, metavar="N", help="tokens that the model sees (at most 4096), or auto")
    add("--gpu-layers", type=layers, metavar="N", help="layers to place on the GPU (auto: as many as fit)")
    add_hub(parser)
    add_directory(parser)
    add_json(parser)


def sampling(options: argparse.Namespace) -> dict[str, Any]:  # params of `chat` or `complete`
    """The params that the options of a text give."""
    params = {**options.params, **given(options, "max_tokens", "temperature", "seed")}
    if getattr(options, "no_thoughts", False):
        params["reasoning"] = False
    return params


def _members(text: str) -> dict[str, Any]:  # members of params, which the program validates
    try:
        members = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise argparse.ArgumentTypeError(f"{text} is not an object")
    return members


def _size(text: str) -> int | str:
    return text if text == "auto" else count(text)
