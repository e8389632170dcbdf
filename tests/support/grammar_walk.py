"""Random texts of grammars, made by llama.cpp's own grammar sampler and a vocabulary, without a model.

Run as a script: reads a JSON object from stdin {model, seed, count, grammars}; prints a JSON list with a list
for each grammar: `count` texts, or null where none ended in time or the grammar was refused. Each step picks
one of the single bytes that the grammar allows and that are UTF-8 with what comes before (llama.cpp alone
takes some that are not); those that end something are picked more often.
"""

from __future__ import annotations

import codecs
import ctypes
import json
import random
import sys
from typing import Any

import numpy
from llama_cpp import llama_cpp as lib
from plain_loop import piece

MAX_STEPS = 3000
CLOSING = dict.fromkeys(b'"]}', 12.0)


def main() -> None:
    """Read the grammars, print texts of each."""
    order = json.load(sys.stdin)
    keep_quiet = lib.llama_log_callback(lambda *_: None)
    lib.llama_log_set(keep_quiet, None)
    options = lib.llama_model_default_params()
    options.vocab_only = True
    model = lib.llama_model_load_from_file(order["model"].encode(), options)
    vocab = lib.llama_model_get_vocab(model)
    tokens = {}
    for token in range(lib.llama_vocab_n_tokens(vocab)):
        if len(written := piece(vocab, token)) == 1:
            tokens[written[0]] = token
    end = lib.llama_vocab_eos(vocab)
    chance = random.Random(order["seed"])
    results = []
    for grammar in order["grammars"]:
        made = lib.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
        texts = [walk(made, tokens, end, chance) if made else None for _ in range(order["count"])]
        results.append(texts)
    print(json.dumps(results))


def walk(grammar: Any, tokens: dict[int, int], end: int, chance: random.Random) -> str | None:
    """One text; None if it did not end."""
    sampler = lib.llama_sampler_clone(grammar)
    decoder = codecs.getincrementaldecoder("utf-8")()
    written = ""
    data = numpy.zeros(len(tokens) + 1, dtype=[("id", "i4"), ("logit", "f4"), ("p", "f4")])
    data["id"] = [*tokens.values(), end]
    first = data.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
    for step in range(MAX_STEPS):
        data["logit"] = 0
        array = lib.llama_token_data_array(first, len(data), -1, False)
        lib.llama_sampler_apply(sampler, ctypes.byref(array))
        allowed = set(data["id"][data["logit"] == 0].tolist())
        if end in allowed and (len(allowed) == 1 or chance.random() < 0.5):
            break
        choices = [byte for byte, token in tokens.items() if token in allowed and is_text(decoder, byte)]
        pull_to_end = step / 40  # the longer the text, the likelier its end
        weights = [CLOSING.get(byte, 1.0) * (1 + pull_to_end) if byte in CLOSING else 1.0 for byte in choices]
        byte = chance.choices(choices, weights)[0]
        lib.llama_sampler_accept(sampler, tokens[byte])
        written += decoder.decode(bytes([byte]))
    lib.llama_sampler_free(sampler)
    return written if step < MAX_STEPS - 1 else None


def is_text(decoder: Any, byte: int) -> bool:
    """Whether this byte may come next in UTF-8."""
    state = decoder.getstate()
    try:
        decoder.decode(bytes([byte]))
    except UnicodeDecodeError:
        return False
    finally:
        decoder.setstate(state)
    return True


if __name__ == "__main__":
    main()
