"""Vocabularies for made GGUF files, as large as those of real models."""

from __future__ import annotations

import functools
import random
from pathlib import Path

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


def byte_pairs(pre_tokenizer: str) -> dict[str, files.Typed]:
    """Metadata of a vocabulary of byte pairs: every byte, some pairs, and `<|end|>`.

    `pre_tokenizer` names the regular expression with which llama.cpp cuts a text into words.
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (chr(0x100 + index) for index in range(0x100 - len(shown)))
    tokens = [chr(byte) if byte in shown else next(others) for byte in range(0x100)]
    tokens += ["AA", "AAAA", "ĠĠ", "<|end|>"]
    return {
        "tokenizer.ggml.model": (files.STRING, "gpt2"),
        "tokenizer.ggml.pre": (files.STRING, pre_tokenizer),
        "tokenizer.ggml.tokens": (files.ARRAY, (files.STRING, tokens)),
        "tokenizer.ggml.token_type": (files.ARRAY, (files.INT32, [1] * (len(tokens) - 1) + [3])),
        "tokenizer.ggml.merges": (files.ARRAY, (files.STRING, ["A A", "AA AA", "Ġ Ġ"])),
        "tokenizer.ggml.bos_token_id": (files.UINT32, len(tokens) - 1),
        "tokenizer.ggml.eos_token_id": (files.UINT32, len(tokens) - 1),
    }


def byte_pair_model(path: Path, pre_tokenizer: str) -> str:
    """Write a tiny model with this vocabulary; returns its path."""
    metadata = files.TINY | byte_pairs(pre_tokenizer)
    metadata["tokenizer.chat_template"] = (files.STRING, files.CHAT_TEMPLATE)
    tokens = metadata["tokenizer.ggml.tokens"][1][1]
    return files.random_model(path, metadata, files.tiny_shapes(len(tokens)))
