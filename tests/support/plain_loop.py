"""A plain greedy loop over llama-cpp-python, without any code of the program, whose results must equal it.

Run as a script: reads a JSON object from stdin {model, contextSize, sequences, batchSize, threads, adapters
(pairs of a LoRA file and its scale), ignoreEos, exact, jobs}, each job being {prompt (text, or token ids), maxTokens};
prints a JSON list of {prompt, tokens, pieces, margins, ended}. `pieces` are the tokens' bytes in hex, `margins` by how
much the logit of each chosen token was above the next best. A context that is full is shifted. `exact` keeps keys and
values in f32, without flash attention, so that rounding does not depend on the batch.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import numpy
from llama_cpp import llama_cpp as lib

GGML_TYPE_F32, FLASH_ATTENTION_OFF = 0, 0  # enum ggml_type, enum llama_flash_attn_type
KEPT_AT_SHIFT = 4
"""Tokens at the beginning that stay; half of the others go."""


def main() -> None:
    """Read the jobs, run each on a context of its own, print the outcomes."""
    order = json.load(sys.stdin)
    keep_quiet = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(keep_quiet, None)
    lib._lib.ggml_backend_load_all_from_path(str(lib._base_path).encode())  # ggml's own choice of a variant
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(order["model"].encode(), lib.llama_model_default_params())
    print(json.dumps([run(model, order, job) for job in order["jobs"]]))


def run(model: Any, order: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """One greedy completion on a new context."""
    vocab = lib.llama_model_get_vocab(model)
    size = lib.llama_vocab_n_tokens(vocab)
    options = lib.llama_context_default_params()
    options.n_ctx = order["contextSize"] * order["sequences"]
    options.n_seq_max = order["sequences"]
    options.n_batch = options.n_ubatch = order["batchSize"]
    options.n_threads = options.n_threads_batch = order["threads"]
    if order["exact"]:
        make_exact(options)
    context = lib.llama_init_from_model(model, options)
    for path, scale in order["adapters"]:
        adapter = lib.llama_adapter_lora_init(model, path.encode())
        assert set_adapter(context, adapter, scale) == 0
    batch = lib.llama_batch_init(order["batchSize"], 0, 1)
    prompt = job["prompt"] if isinstance(job["prompt"], list) else tokenize(vocab, job["prompt"])
    pending, position, memory = prompt, 0, lib.llama_get_memory(context)
    tokens: list[int] = []
    margins: list[float] = []
    ended = False
    ignored = [t for t in range(size) if lib.llama_vocab_is_eog(vocab, t)] if order["ignoreEos"] else []
    while len(tokens) < job["maxTokens"] and not ended:
        while pending:
            chunk, pending = pending[: order["batchSize"]], pending[order["batchSize"] :]
            fill(batch, chunk, position)
            assert lib.llama_decode(context, batch) == 0
            position += len(chunk)
        logits = numpy.ctypeslib.as_array(lib.llama_get_logits_ith(context, -1), (size,))
        logits[ignored] = -numpy.inf
        best = int(logits.argmax())
        ended = bool(lib.llama_vocab_is_eog(vocab, best))
        if not ended:
            margins.append(float(logits[best] - numpy.partition(logits, -2)[-2]))
            tokens.append(best)
            pending = [best]
        if position == order["contextSize"]:
            gone = (position - KEPT_AT_SHIFT) // 2
            assert lib.llama_memory_seq_rm(memory, 0, KEPT_AT_SHIFT, KEPT_AT_SHIFT + gone)
            lib.llama_memory_seq_add(memory, 0, KEPT_AT_SHIFT + gone, -1, -gone)
            position -= gone
    lib.llama_batch_free(batch)
    lib.llama_free(context)
    pieces = [piece(vocab, token).hex() for token in tokens]
    return {"prompt": prompt, "tokens": tokens, "pieces": pieces, "margins": margins, "ended": ended}


def make_exact(options: Any) -> None:
    """Have the context round in the same way for each batch."""
    options.type_k = options.type_v = GGML_TYPE_F32
    options.flash_attn_type = FLASH_ATTENTION_OFF


def set_adapter(context: Any, adapter: Any, scale: float) -> int:
    """Let the context compute with this adapter."""
    adapters, scales = (lib.llama_adapter_lora_p_ctypes * 1)(adapter), (ctypes.c_float * 1)(scale)
    code: int = lib.llama_set_adapters_lora(context, adapters, 1, scales)
    return code


def fill(batch: Any, tokens: list[int], position: int) -> None:
    """Put the next tokens of the sequence into the batch."""
    for index, token in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = position + index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = index == len(tokens) - 1
    batch.n_tokens = len(tokens)


def tokenize(vocab: Any, text: str) -> list[int]:
    """Tokens of a prompt, special ones recognised."""
    data = text.encode()
    tokens = (lib.llama_token * (3 * len(data) + 8))()  # a blank may be three bytes, each of them a token
    count = lib.llama_tokenize(vocab, data, len(data), tokens, len(tokens), True, True)
    assert count >= 0
    return list(tokens[:count])


def piece(vocab: Any, token: int) -> bytes:
    """The bytes of a token."""
    buffer = ctypes.create_string_buffer(256)
    size = lib.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, False)
    return buffer.raw[:size]


if __name__ == "__main__":
    main()
