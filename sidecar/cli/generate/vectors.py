"""`llama-sidecar embed | rerank`: texts to vectors, and documents to an order."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from sidecar.cli.client import Client
from sidecar.cli.command import Refusal
from sidecar.cli.generate import loading
from sidecar.cli.generate.texts import BATCH, batches, texts
from sidecar.cli.naming import given
from sidecar.cli.shown.bar import ProgressBar
from sidecar.cli.shown.terminal import printable

if TYPE_CHECKING:
    from sidecar.message_handler._types import EmbedResult, RerankResult

NO_TEXTS = "there are no texts. Give them as arguments, as files with --files, or one per line on stdin."


def embed(client: Client, options: argparse.Namespace) -> None:
    """Print the vector of each text as a line of JSON, in the order of the texts."""
    bar = ProgressBar(sys.stderr)
    loading.begin(client, options)
    params = {"embeddings": True, **given(options, "pooling")}
    loaded = loading.load(client, options, options.model, bar, **params)
    done = 0
    for batch in batches(texts(options)):
        asked = {"contextId": loaded.context["contextId"], "input": batch}
        try:
            result: EmbedResult = client.call("embed", asked, bar.notified)
        finally:
            bar.clear()
        for text, vector in zip(batch, result["embeddings"], strict=True):
            print(json.dumps({"text": text, "embedding": vector} if options.json else vector))
        done += len(batch)
    if not done:
        raise Refusal(NO_TEXTS)


def rerank(client: Client, options: argparse.Namespace) -> None:
    """Print the documents, best first, each with its score; with `--json` the result."""
    bar = ProgressBar(sys.stderr)
    all_batches = batches(texts(options))
    documents = next(all_batches, [])
    if not documents:
        raise Refusal(NO_TEXTS)
    if next(all_batches, None) is not None:
        raise Refusal(
            f"there are more than {BATCH} documents. Choose among them first, for example by embed."
        )
    loading.begin(client, options)
    loaded = loading.load(client, options, options.model, bar, embeddings=True, pooling="rank")
    asked = {"contextId": loaded.context["contextId"], "query": options.query, "documents": documents}
    try:
        result: RerankResult = client.call("rerank", {**asked, **given(options, "top_n")}, bar.notified)
    finally:
        bar.clear()
    if options.json:
        print(json.dumps(result, indent=2))
        return
    names = options.texts if options.files and options.texts else documents
    for ranked in result["results"]:
        text = " ".join(names[ranked["index"]].split())
        print(f"{ranked['score']:.6f}\t{printable(text) if sys.stdout.isatty() else text}")
