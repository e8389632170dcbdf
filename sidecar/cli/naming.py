"""What is meant by MODEL and PATH on the command line, and how paths are shown there."""

from __future__ import annotations

import argparse
import os
from typing import Any, Final

from sidecar.cli.client import Client
from sidecar.cli.terminal import printable

REMOTE: Final = ("hf:", "https://", "http://")


def remote(text: str) -> str:
    """MODEL as the protocol wants it: people leave out the `hf:`."""
    return text if text.startswith(REMOTE) else f"hf:{text}"


def path_or_model(client: Client, options: argparse.Namespace) -> dict[str, Any]:
    """The params `path` or `model` with their companions.

    A path is a file that exists, one that `list` shows, a .gguf that would lie in a folder which exists, and
    what is written as no name of a repository can be.
    """
    text: str = options.model
    here = {"path": os.path.abspath(text)}
    there = {"model": remote(text), **given(options, "revision", "endpoint")}
    if text.startswith(REMOTE):
        return there
    if os.path.isfile(text) or os.path.isabs(text) or text.startswith("."):
        return here
    if not text.endswith(".gguf"):
        return there
    listing = client.call("listModels", {"hubCache": False})
    listed = listed_path(listing["models"], listing["modelsDirectory"], text)
    if listed is not None:
        return {"path": listed}
    return here if os.path.isdir(os.path.dirname(text) or ".") else there


def listed_path(entries: list[dict[str, Any]], directory: str, text: str) -> str | None:
    """The path of the model, or unfinished download, that `list` shows so, or whose file is named so."""
    paths = [entry["path"] for entry in entries]
    wanted = os.path.normpath(os.path.join(directory, text))
    named = [path for path in paths if os.path.basename(path) == text]
    if wanted in paths:
        return wanted
    return named[0] if len(named) == 1 else None


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those options that were given, as members of params."""
    params = {}
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False:
            head, *rest = name.split("_")
            params[head + "".join(word.capitalize() for word in rest)] = value
    if "modelsDirectory" in params:
        params["modelsDirectory"] = os.path.abspath(params["modelsDirectory"])
    return params


def shown_path(path: str, directory: str) -> str:
    """A path as people read it: from the models directory, or from the home directory."""
    home = os.path.expanduser("~")
    for start, prefix in ((directory, ""), (home, "~" + os.sep)):
        inside = start.rstrip(os.sep) + os.sep
        if path.startswith(inside):
            return printable(prefix + path[len(inside) :])
    return printable(path)
