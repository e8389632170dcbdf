"""A plain loop over llama-cpp-python with a sampler chain made by hand; the program must choose the same tokens.

Run as a script: reads a JSON object from stdin {model, contextSize, exact (as in plain_loop), jobs}, each job being
{prompt, maxTokens, chain}, where `chain` lists [name, argument, …] of llama_sampler_init_<name>; prints a JSON list of
{tokens, likely}: the generated token ids, and in each place the log-probabilities of all tokens, highest first, cut to
`likely` of the job (default 0). "vocab" among the arguments stands for the vocabulary, "size" for its size; a
list of texts is given as char ** and its length, one of [token, bias] as its length and llama_logit_bias *.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
from typing import Any

from llama_cpp import llama_cpp as lib
from plain_loop import fill, make_exact, tokenize


def main() -> None:
    """Read the jobs, run each on a context of its own, print what each generated."""
    order = json.load(sys.stdin)
    keep_quiet = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(keep_quiet, None)
    lib._lib.ggml_backend_load_all_from_path(str(lib._base_path).encode())  # ggml's own choice of a variant
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(order["model"].encode(), lib.llama_model_default_params())
    print(json.dumps([run(model, order, job) for job in order["jobs"]]))


def run(model: Any, order: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """One completion on a new context."""
    vocab = lib.llama_model_get_vocab(model)
    options = lib.llama_context_default_params()
    options.n_ctx = order["contextSize"]
    options.n_threads = options.n_threads_batch = 1  # more would spin, and starve on a busy machine
    if order["exact"]:
        make_exact(options)
    context = lib.llama_init_from_model(model, options)
    batch = lib.llama_batch_init(512, 0, 1)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for name, *arguments in job["chain"]:
        make = getattr(lib, f"llama_sampler_init_{name}")
        lib.llama_sampler_chain_add(chain, make(*converted(vocab, arguments)))
    pending = tokenize(vocab, job["prompt"])
    if not any(name == "grammar" for name, *_ in job["chain"]):  # the prompt is not held to it
        for token in pending:
            lib.llama_sampler_accept(chain, token)
    position, tokens, likely = 0, [], []
    while len(tokens) < job["maxTokens"]:
        fill(batch, pending, position)
        assert lib.llama_decode(context, batch) == 0
        position += len(pending)
        token = lib.llama_sampler_sample(chain, context, -1)
        if lib.llama_vocab_is_eog(vocab, token):
            break
        tokens.append(token)
        likely.append(likeliest(lib.llama_get_logits_ith(context, -1), vocab, job.get("likely", 0)))
        pending = [token]
    lib.llama_sampler_free(chain)
    lib.llama_batch_free(batch)
    lib.llama_free(context)
    return {"tokens": tokens, "likely": likely}


def likeliest(logits: Any, vocab: Any, count: int) -> list[tuple[int, float]]:
    """(token, log-probability) of the likeliest tokens."""
    if not count:
        return []
    values = logits[: lib.llama_vocab_n_tokens(vocab)]
    highest = max(values)
    normaliser = highest + math.log(sum(math.exp(value - highest) for value in values))
    order = sorted(range(len(values)), key=values.__getitem__, reverse=True)[:count]
    return [(token, values[token] - normaliser) for token in order]


def converted(vocab: Any, arguments: list[Any]) -> list[Any]:
    """Arguments as the C functions want them."""
    values: list[Any] = []
    for argument in arguments:
        if argument == "vocab":
            values.append(vocab)
        elif argument == "size":
            values.append(lib.llama_vocab_n_tokens(vocab))
        elif isinstance(argument, str):
            values.append(argument.encode())
        elif isinstance(argument, list) and isinstance(argument[0], str):
            texts = [text.encode() for text in argument]
            values += [(ctypes.c_char_p * len(texts))(*texts), len(texts)]
        elif isinstance(argument, list):
            biases = [(token, float(bias)) for token, bias in argument]
            values += [len(biases), (lib.llama_logit_bias * len(biases))(*biases)]
        else:
            values.append(argument)
    return values


if __name__ == "__main__":
    main()
