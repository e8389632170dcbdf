"""What an EAGLE-3 draft reads of its model, and what it guesses.

Run as a script: reads a JSON object from stdin {model, draft, texts}, two lists of tokens; prints {read, whole,
single}. `read`: for each token of both, evaluated in one step, the token whose embedding is nearest to its state; the
draft hands on what comes into the model's first layer. `whole`: the guesses after each text, all of which but its last
token is evaluated in one step; `single`: in steps of one token, with a guess after each.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy
from gguf_files import TOKENS

from sidecar.core.context.context import Context
from sidecar.core.llama import backends
from sidecar.core.model.draft_pair import check_pair
from sidecar.core.model.model import Model
from sidecar.core.speculation.eagle_head import EagleHead
from sidecar.models.gguf import reader

PARAMS: Any = {"contextId": "context-1", "contextSize": 512, "sequences": 2, "threads": 1}


def main() -> None:
    """Evaluate the texts, print what the draft makes of them."""
    order = json.load(sys.stdin)
    backends.start(lambda *_: None, print)
    files = ({"gpu": "cpu", "modelId": "model-1", "path": order[name]} for name in ("model", "draft"))
    model, draft = (Model.load(params, lambda _: True) for params in files)  # type: ignore[arg-type]
    check_pair(model, draft, order["draft"])
    context = Context(model, PARAMS)
    head = EagleHead(draft, context, PARAMS)
    whole, single = (guesses(context, head, order["texts"], size) for size in (512, 1))
    for sequence in context.sequences:
        context.clear_sequence(sequence)
    evaluate(context, order["texts"])
    states = head.states_of_step(sum(map(len, order["texts"])))
    assert states is not None
    rows = numpy.array([numpy.frombuffer(state, numpy.float32) for state in states])
    distances = ((rows[:, None] - embeddings(order["model"], rows.shape[1])[None]) ** 2).sum(axis=2)
    print(json.dumps({"read": distances.argmin(axis=1).tolist(), "whole": whole, "single": single}))


def evaluate(context: Context, chunks: list[list[int]]) -> None:
    """Let the model evaluate a chunk for each sequence."""
    context.clear_batch()
    for sequence, chunk in zip(context.sequences, chunks, strict=True):
        if chunk:
            context.add_to_batch(sequence, chunk, 1)
    assert context.decode() == 0


def guesses(context: Context, head: EagleHead, texts: list[list[int]], size: int) -> list[list[int]]:
    """The draft tokens after each text, evaluated in steps of at most `size` tokens."""
    found = []
    for sequence, text in zip(context.sequences, texts, strict=True):
        context.clear_sequence(sequence)
        while len(sequence.tokens) < len(text) - 1:
            chunk = text[:-1][len(sequence.tokens) :][:size]
            evaluate(context, [chunk if each is sequence else [] for each in context.sequences])
            head.note([(sequence, chunk)])
            sequence.add(chunk)
            (draft,) = head.propose([sequence.index], [text[: len(sequence.tokens) + 1]], [4], 512)
        found.append(draft)
    return found


def embeddings(path: str, width: int) -> Any:
    """The rows of `token_embd.weight`."""
    header = reader.read_header(path)
    (tensor,) = (each for each in header.tensors if each.name == "token_embd.weight")
    start, count = header.data_start + tensor.offset, len(TOKENS) * width
    return numpy.fromfile(path, numpy.float32, count, offset=start).reshape(-1, width)


if __name__ == "__main__":
    main()
