"""Which model a command works with, and loading it: a file, one that is on this disk already, or a download."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, NamedTuple

from sidecar.cli.client import Client
from sidecar.cli.command import Refusal
from sidecar.cli.naming import given, path_or_model
from sidecar.cli.shown.bar import ProgressBar
from sidecar.cli.shown.terminal import cells, printable, shorten

if TYPE_CHECKING:
    from sidecar.message_handler._types import (
        CreateContextResult,
        DownloadModelResult,
        ListedModel,
        ListModelsResult,
        LoadModelResult,
    )

NO_MODEL = (
    "there is no model that chats on this disk. Name one: a file, or owner/repo of the Hugging Face hub, which is "
    "then downloaded"
)


class Loaded(NamedTuple):
    """A loaded model with a context."""

    path: str
    model: LoadModelResult
    context: CreateContextResult


def begin(client: Client, options: argparse.Namespace) -> None:
    """The settings of the program. Of two models, the one that is not used gives its memory to the other."""
    client.call("init", {"maxLoadedModels": 1, **given(options, "models_directory")})


def find(client: Client, options: argparse.Namespace, name: str | None, bar: ProgressBar) -> str:
    """The path of the model of this name, which is downloaded if need be; without a name, of the one used last."""
    if name is None:
        models = chatting(client)
        if not models:
            raise Refusal(f"{NO_MODEL}: llama-sidecar {options.command} owner/repo.")
        return models[0]["path"]
    revision = options.revision if name == options.model else None
    named = argparse.Namespace(model=name, revision=revision, endpoint=options.endpoint)
    found = path_or_model(client, named)
    if "path" in found:
        return str(found["path"])
    bar.wait(f"Looking for {printable(name)}")
    try:
        downloaded: DownloadModelResult = client.call("downloadModel", found, bar.notified)
    finally:
        bar.clear()
    return downloaded["path"]


def chatting(client: Client) -> list[ListedModel]:
    """The whole models on this disk that have a chat template, the one used last first."""
    listing: ListModelsResult = client.call("listModels")
    models = [model for model in listing["models"] if model["problem"] is None and model["chatTemplate"]]
    return sorted(models, key=lambda model: -(model["lastUsedAt"] or 0.0))


def load(
    client: Client, options: argparse.Namespace, name: str | None, bar: ProgressBar, **context: object
) -> Loaded:
    """Find and load a model, and create a context with these params."""
    path = find(client, options, name, bar)
    try:
        params = {"path": path, **given(options, "gpu_layers")}
        model: LoadModelResult = client.call("loadModel", params, bar.notified)
        asked = {"modelId": model["modelId"], **given(options, "context_size"), **context}
        created: CreateContextResult = client.call("createContext", asked)
    finally:
        bar.clear()
    return Loaded(path, model, created)


def banner(loaded: Loaded, columns: int | None) -> str:
    """The line that says which model a chat talks with."""
    name = printable(loaded.model["name"] or os.path.basename(loaded.path))
    rest = f", {loaded.context['contextSize']} tokens of context. /help shows the commands."
    if columns is None or cells(name + rest) <= columns:
        return name + rest
    return shorten(name, columns, "...")
