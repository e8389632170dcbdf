"""`llama-sidecar pull | list | rm | inspect | estimate`: the methods for models, for people."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Final

from sidecar.cli.client import Client
from sidecar.cli.command import Command, run
from sidecar.cli.naming import given, listed_path, path_or_model, remote, shown_path
from sidecar.cli.shown.bar import ProgressBar
from sidecar.cli.shown.figures import ago, counted, share, size, weights
from sidecar.cli.shown.table import Column, table
from sidecar.cli.shown.terminal import marks, printable, width

if TYPE_CHECKING:
    from sidecar.message_handler._types import (
        DeleteModelResult,
        DeviceEstimate,
        DownloadModelResult,
        EstimateModelResult,
        InspectModelResult,
        ListedModel,
        ListModelsResult,
        PartialDownload,
    )


def run_model_command(options: argparse.Namespace) -> int:
    """Run one of COMMANDS. Returns the exit status."""
    return run(COMMANDS[options.command], options)


def pull(client: Client, options: argparse.Namespace) -> None:
    """Download a model. Its path goes to stdout, for scripts; everything else to stderr."""
    model = remote(options.model)
    others = given(options, "revision", "endpoint", "models_directory", "projector", "force")
    bar = ProgressBar(sys.stderr)
    bar.wait(f"Looking for {printable(model)}")
    try:
        result: DownloadModelResult = client.call("downloadModel", {"model": model, **others}, bar.notified)
    finally:
        bar.clear()
    if options.json:
        _print_json(result)
        return
    print(_summary(result), file=sys.stderr)
    if result["projectorPath"] is not None:
        print(f"Projector: {printable(result['projectorPath'])}", file=sys.stderr)
    print(result["path"])


def _summary(result: DownloadModelResult) -> str:
    files = result["files"]
    parts = [size(result["sizeBytes"])]
    if len(files) > 1:
        parts.insert(0, counted(len(files), "file"))
    if result["quantization"] is not None:
        parts.append(result["quantization"])
    whole = all(file["verified"] for file in files)
    parts.append("verified" if whole else "not verified: there was no checksum to compare with")
    if result["fromCache"]:
        parts.append("was already here")
    elif result["resumedBytes"]:
        parts.append(f"{size(result['resumedBytes'])} of it from an earlier attempt")
    return printable(f"{os.path.basename(result['path'])}: {', '.join(parts)}.")


def list_models(client: Client, options: argparse.Namespace) -> None:
    """Show the models on this disk."""
    listing: ListModelsResult = client.call("listModels", given(options, "models_directory"))
    if options.json:
        _print_json(listing)
        return
    print("\n\n".join(_listing(listing, width(sys.stdout), marks(sys.stdout).ellipsis)))
    if listing["truncated"]:
        print("The search stopped at its limit; there are more files.", file=sys.stderr)


LISTED: Final = [
    Column("model"),
    Column("size", 1, right=True),
    Column("architecture", 4),
    Column("quantisation", 2),
    Column("context", 3, right=True),
    Column("verified", 5),
    Column("last used", 6),
]
UNFINISHED: Final = [Column("unfinished (pull continues)"), Column("here", 1, right=True)]


def _listing(listing: ListModelsResult, limit: int | None, ellipsis: str) -> list[str]:
    """The parts that `list` prints: models, problems, unfinished downloads, total."""
    directory, models = listing["modelsDirectory"], listing["models"]
    parts = []
    if models:
        parts.append(table(LISTED, [_row(model, directory) for model in models], limit, ellipsis))
    parts.append(
        [
            f"{shown_path(model['path'], directory)}: {printable(model['problem'])}"
            for model in models
            if model["problem"] is not None
        ]
    )
    if listing["partials"]:
        rows = [
            [shown_path(part["path"], directory), share(part["downloadedBytes"], part["totalBytes"])]
            for part in listing["partials"]
        ]
        parts.append(table(UNFINISHED, rows, limit, ellipsis))
    total = size(sum(model["sizeBytes"] for model in models))
    summary = f"{counted(len(models), 'model')}, {total}" if models else "No models yet"
    parts.append([f"{summary}; models directory: {printable(directory)}"])
    return ["\n".join(lines) for lines in parts if lines]


def _row(model: ListedModel, directory: str) -> list[str]:
    context = model["contextLengthTrained"]
    return [
        shown_path(model["path"], directory),
        size(model["sizeBytes"]),
        printable(model["architecture"] or "?"),
        printable(model["quantization"] or "?"),
        "?" if context is None else str(context),
        "yes" if model["verified"] else "no",
        "in use" if model["loaded"] else ago(model["lastUsedAt"]),
    ]


def remove(client: Client, options: argparse.Namespace) -> None:
    """Delete a model and print how much space that freed."""
    places = given(options, "models_directory")
    path: str = options.path  # a relative path starts at the models directory
    if os.path.exists(path):
        path = os.path.abspath(path)
    else:
        listing: ListModelsResult = client.call("listModels", {**places, "hubCache": False})
        entries: list[ListedModel | PartialDownload] = [*listing["models"], *listing["partials"]]
        path = listed_path(entries, listing["modelsDirectory"], path) or path
    result: DeleteModelResult = client.call("deleteModel", {"path": path, **places})
    what = counted(len(result["files"]), "file") if result["files"] else "an unfinished download"
    print(f"Deleted {what}, freed {size(result['freedBytes'])}.")


def inspect(client: Client, options: argparse.Namespace) -> None:
    """Show a model's header."""
    result: InspectModelResult = client.call("inspectModel", path_or_model(client, options))
    if options.json:
        _print_json(result)
        return
    facts = {
        "name": result["name"],
        "file": result["path"] or (result["source"] and result["source"]["url"]),
        "size": size(result["sizeBytes"]),
        "architecture": result["architecture"],
        "parameters": weights(result["parameters"]),
        "quantisation": result["quantization"],
        "context": result["contextLengthTrained"],
        "layers": result["layers"],
        "embedding": result["embeddingSize"],
        "vocabulary": result["vocabularySize"],
        "chat template": "yes" if result["chatTemplate"] else "no",
        "takes": ", ".join(result["modalities"]),
        "projector": result["projectorPath"],
    }
    for title, fact in facts.items():
        if fact is not None:
            print(f"{title:14}{printable(str(fact))}")
    if result["path"] is None:
        print(f"\n{size(result['readBytes'])} were read; `pull` downloads the model.")


def estimate(client: Client, options: argparse.Namespace) -> None:
    """Show how much memory a model needs, and whether it runs on this machine."""
    params = path_or_model(client, options)
    params |= given(options, "context_size", "sequences", "kv_cache_type", "gpu_layers")
    result: EstimateModelResult = client.call("estimateModel", params)
    if options.json:
        _print_json(result)
        return
    columns = [Column("device"), Column("weights", 2, True), Column("KV cache", 3, True)]
    columns += [Column("compute", 4, True), Column("total", right=True), Column("free", 1, True)]
    rows = [
        [printable(device["name"]), *_sizes(device), size(device["freeBytes"])]
        for device in result["devices"]
    ]
    if len(rows) > 1:
        rows.append(["all", *_sizes(result), ""])
    print("\n".join(table(columns, rows, width(sys.stdout), marks(sys.stdout).ellipsis)))
    file = os.path.basename(result["path"] or (result["source"] and result["source"]["url"]) or "")
    layers = f", {counted(result['gpuLayers'], 'layer')} on the GPU" if result["gpuLayers"] else ""
    print(
        f"\n{printable(file)}: {counted(result['sequences'], 'sequence')} of {result['contextSize']} tokens, "
        f"KV cache in {result['kvCacheType']}{layers}."
    )
    if result["projectorBytes"]:
        print(f"With its projector, which needs {size(result['projectorBytes'])} and is in the total.")
    print(f"Runs here: {result['runs']}. {printable(result['why'])}")
    largest = result["largestContextSize"]
    print(f"Largest context that fits: {largest} tokens." if largest else "No context fits.")


def _sizes(estimated: DeviceEstimate | EstimateModelResult) -> list[str]:
    parts = (estimated["weightsBytes"], estimated["kvCacheBytes"], estimated["computeBytes"])
    return [size(part) for part in (*parts, estimated["totalBytes"])]


def _print_json(result: object) -> None:
    print(json.dumps(result, indent=2))


COMMANDS: Final[dict[str, Command]] = {
    "pull": pull,
    "list": list_models,
    "rm": remove,
    "inspect": inspect,
    "estimate": estimate,
}
