"""Vocabularies for made GGUF files, as large as those of real models."""

from __future__ import annotations

import functools
import random

import gguf_files as files

OF_LLAMA_3 = (128_256, 280_147)
"""Tokens and merges."""


@functools.cache
def words(count: int, longest: int, seed: int = 1) -> files.Typed:
    """An array of texts that grow longer as those of a vocabulary do."""
    chance = random.Random(seed)
    rows = (
        "".join(chance.choices("abcdefghij .-_0é", k=chance.randint(1, 2 + int(longest * n / count))))
        for n in range(count)
    )
    return (files.STRING, list(rows))


def vocabulary(tokens: int, merges: int) -> list[bytes]:
    """Entries in the order in which llama.cpp's converter writes them."""
    return [
        files.entry("tokenizer.ggml.tokens", files.ARRAY, words(tokens, 24)),
        files.entry("tokenizer.ggml.token_type", files.ARRAY, (files.INT32, [1] * tokens)),
        files.entry("tokenizer.ggml.merges", files.ARRAY, words(merges, 28, seed=2)),
        files.entry("tokenizer.ggml.bos_token_id", files.UINT32, 0),
        files.entry("tokenizer.chat_template", files.STRING, "{{ x }}" * 500),
    ]
