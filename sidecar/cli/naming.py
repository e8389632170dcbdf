"""What MODEL and PATH mean on the command line, and how paths are shown."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sidecar.cli.client import Client
from sidecar.cli.shown.terminal import printable

if TYPE_CHECKING:
    from sidecar.message_handler._types import ListedModel, ListModelsResult, PartialDownload

REMOTE: Final = ("hf:", "https://", "http://", "hf.co/", "huggingface.co/")


def remote(text: str) -> str:
    """MODEL as in the protocol: people leave out the `hf:`."""
    return text if text.startswith(REMOTE) else f"hf:{text}"


def path_or_model(client: Client, options: argparse.Namespace) -> dict[str, object]:
    """The param `path`, or `model` with `revision` and `endpoint`.

    A text is a path if it is an existing file, absolute, begins with a dot, is shown by `list`, or ends with .gguf
    and its folder exists. Otherwise it names a model on the hub.
    """
    text: str = options.model
    here: dict[str, object] = {"path": os.path.abspath(text)}
    there: dict[str, object] = {"model": remote(text), **given(options, "revision", "endpoint")}
    if text.startswith(REMOTE):
        return there
    if os.path.isfile(text) or os.path.isabs(text) or text.startswith("."):
        return here
    if not text.endswith(".gguf"):
        return there
    listing: ListModelsResult = client.call("listModels", {"hubCache": False})
    listed = listed_path(listing["models"], listing["modelsDirectory"], text)
    if listed is not None:
        return {"path": listed}
    return here if os.path.isdir(os.path.dirname(text) or ".") else there


def listed_path(entries: Iterable[ListedModel | PartialDownload], directory: str, text: str) -> str | None:
    """The path of the model or unfinished download that `list` shows as `text`, or whose file has this name."""
    paths = [entry["path"] for entry in entries]
    wanted = _as_compared(os.path.join(directory, text))
    named = [path for path in paths if os.path.basename(path) == text]
    same = (path for path in paths if _as_compared(path) == wanted)
    return next(same, named[0] if len(named) == 1 else None)


def _as_compared(path: str) -> str:
    """Windows takes both slashes, and capitals for small letters."""
    return os.path.normcase(os.path.normpath(path))


def given(options: argparse.Namespace, *names: str) -> dict[str, object]:
    """The options that were given, as members of params."""
    params: dict[str, object] = {}
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False:
            head, *rest = name.split("_")
            params[head + "".join(word.capitalize() for word in rest)] = value
    if "modelsDirectory" in params:
        params["modelsDirectory"] = os.path.abspath(options.models_directory)
    return params


def shown_path(path: str, directory: str) -> str:
    """A path for people: relative to the models directory, or to the home directory."""
    home = os.path.expanduser("~")
    for start, prefix in ((directory, ""), (home, "~" + os.sep)):
        inside = start.rstrip(os.sep) + os.sep
        if path.startswith(inside):
            return printable(prefix + path[len(inside) :])
    return printable(path)
