"""The least that one stream costs in Python: a loop over the bindings that decodes and does nothing else.

`python bare_loop.py MODEL THREADS` answers one task per line: {"task": "loop", "tokens": 32, "sampled": true} gives
the speed in tokens per second. `sampled` adds greedy sampling. llama-bench does not sample, so the difference
between the two is the price of the sampler, not of Python.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from sidecar.core.llama import backends
from sidecar.core.llama.bindings import lib
from sidecar.core.llama.thread_pool import ThreadPool

WARM_UP = 14
"""Tokens before the clock starts: as many as the prompt of the streams that it is compared with."""


def main() -> None:
    """Load the model and answer tasks."""
    model_path, threads = sys.argv[1], int(sys.argv[2])
    backends.start(lambda *_: None, lambda _: None)
    model = lib.llama_model_load_from_file(model_path.encode(), lib.llama_model_default_params())
    options = lib.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch = 1024, 512, 512
    options.n_threads = options.n_threads_batch = threads
    context = lib.llama_init_from_model(model, options)
    pool = ThreadPool(context, threads)
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        speed = run(context, task["tokens"], task["sampled"], vocabulary)
        print(json.dumps({"result": speed}), flush=True)
    pool.free()


def run(context: Any, tokens: int, sampled: bool, vocabulary: int) -> float:
    """Tokens per second of one generation from an empty cache."""
    lib.llama_memory_seq_rm(lib.llama_get_memory(context), 0, -1, -1)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
    batch = lib.llama_batch_init(1, 0, 1)
    token, begin = 1, 0.0
    for position in range(WARM_UP + tokens):
        if position == WARM_UP:
            begin = time.perf_counter()
        batch.n_tokens, batch.token[0], batch.pos[0], batch.logits[0] = 1, token, position, True
        batch.n_seq_id[0], batch.seq_id[0][0] = 1, 0
        assert lib.llama_decode(context, batch) == 0
        any_token = (token * 7919 + 1) % vocabulary
        token = lib.llama_sampler_sample(chain, context, 0) if sampled else any_token
    speed = tokens / (time.perf_counter() - begin)
    lib.llama_batch_free(batch)
    lib.llama_sampler_free(chain)
    return speed


if __name__ == "__main__":
    main()
