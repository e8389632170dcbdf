"""`llama-sidecar complete`: continues a text."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from sidecar.cli.client import Client
from sidecar.cli.command import Refusal
from sidecar.cli.generate import loading
from sidecar.cli.generate.answer import Answer
from sidecar.cli.generate.arguments import sampling
from sidecar.cli.generate.texts import whole_stdin
from sidecar.cli.shown.bar import ProgressBar

if TYPE_CHECKING:
    from sidecar.message_handler._types import CompleteResult


def complete(client: Client, options: argparse.Namespace) -> None:
    """Print the continuation of the prompt while it is generated, or with `--json` the result."""
    prompt = whole_stdin() if options.prompt is None else options.prompt
    if not prompt:
        raise Refusal("there is no text to continue. Give it as the last argument, or on stdin.")
    bar = ProgressBar(sys.stderr)
    loading.begin(client, options)
    loaded = loading.load(client, options, options.model, bar)
    answer = Answer(sys.stdout, bar, shows=not options.json, thoughts=False)
    params = {**sampling(options), "contextId": loaded.context["contextId"], "prompt": prompt}
    try:
        result: CompleteResult = client.call("complete", params, answer.notified)
    finally:
        answer.end()
    if options.json:
        print(json.dumps(result, indent=2))
