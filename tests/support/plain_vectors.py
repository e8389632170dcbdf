"""Embeddings by a plain loop over llama-cpp-python, without any code of the program, one text at a time.

Run as a script: reads a JSON object from stdin {model, poolings (llama_pooling_type), texts (as token ids),
exact}; prints a JSON list per pooling: of each text the list of its vectors, which is one unless the pooling is 0.
`exact` keeps keys and values in f32, without flash attention, so that rounding does not depend on the batch.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from llama_cpp import llama_cpp as lib
from plain_loop import make_exact

POOLING_NONE, POOLING_RANK = 0, 4


def main() -> None:
    """Read the order, embed each text on a context of its own, print the vectors."""
    order = json.load(sys.stdin)
    keep_quiet = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(keep_quiet, None)
    lib._lib.ggml_backend_load_all_from_path(str(lib._base_path).encode())  # ggml's own choice of a variant
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(order["model"].encode(), lib.llama_model_default_params())
    print(
        json.dumps(
            [
                [embed(model, order, pooling, tokens) for tokens in order["texts"]]
                for pooling in order["poolings"]
            ]
        )
    )


def embed(model: Any, order: dict[str, Any], pooling: int, tokens: list[int]) -> list[list[float]]:
    """The vectors of one text, whole in one batch."""
    options = lib.llama_context_default_params()
    options.n_ctx = options.n_batch = options.n_ubatch = len(tokens)
    options.embeddings = True
    options.pooling_type = pooling
    options.n_threads = options.n_threads_batch = 1
    if order["exact"]:
        make_exact(options)
    context = lib.llama_init_from_model(model, options)
    batch = lib.llama_batch_init(len(tokens), 0, 1)
    for index, token in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = True
    batch.n_tokens = len(tokens)
    assert lib.llama_decode(context, batch) == 0
    size = 1 if pooling == POOLING_RANK else lib.llama_model_n_embd(model)
    if pooling == POOLING_NONE:
        found = [lib.llama_get_embeddings_ith(context, index)[:size] for index in range(len(tokens))]
    else:
        found = [lib.llama_get_embeddings_seq(context, 0)[:size]]
    lib.llama_batch_free(batch)
    lib.llama_free(context)
    return found


if __name__ == "__main__":
    main()
