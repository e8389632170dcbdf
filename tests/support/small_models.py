"""Tiny models with a vocabulary of each kind, and of several architectures; they load within milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gguf_files import (
    ARRAY,
    FLOAT32,
    INT32,
    STRING,
    TOKENS,
    UINT32,
    Typed,
    split_model,
    tiny_bert,
    tiny_model,
)
from made_models import recurrent, talking_model

COUNT = len(TOKENS)
"""Tokens of each vocabulary: as many as the weights of the tiny model have rows."""


def byte_letters() -> list[str]:
    """The letters by which byte-level BPE writes the 256 bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def of_pairs(path: Path) -> str:
    """Byte-level BPE with two merges."""
    tokens = [*byte_letters(), "ab", "abc", "<|end|>"]
    return _tiny(path, "gpt2", tokens, [1] * 258 + [3], merges=["a b", "ab c"], pre="gpt-2")


def of_words(path: Path) -> str:
    """WordPiece, as BERT has it, in a model that ranks."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [f"\u2581{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(COUNT - len(special))]
    vocabulary: dict[str, Typed] = {
        "tokenizer__ggml__model": (STRING, "bert"),
        "tokenizer__ggml__tokens": (ARRAY, (STRING, special + words)),
        "tokenizer__ggml__token_type": (ARRAY, (INT32, [3] * 5 + [1] * len(words))),
    }
    return tiny_bert(path, ranks=True, **vocabulary)


def of_unigrams(path: Path) -> str:
    """Unigrams, as T5 has them, with a map of characters."""
    tokens = ["<pad>", "</s>", "<unk>", "\u2581", *(chr(32 + n) for n in range(COUNT - 4))]
    cells = list((1024).to_bytes(4, "little")) + [0] * 1024 + [97, 0]
    return _tiny(
        path,
        "t5",
        tokens,
        [3, 3, 2] + [1] * (COUNT - 3),
        scores=[-float(n) for n in range(COUNT)],
        charsmap=cells,
    )


def _tiny(
    path: Path,
    model: str,
    tokens: list[str],
    kinds: list[int],
    *,
    merges: list[str] | None = None,
    scores: list[float] | None = None,
    pre: str | None = None,
    charsmap: list[int] | None = None,
) -> str:
    more: dict[str, Typed] = {
        "tokenizer__ggml__model": (STRING, model),
        "tokenizer__ggml__tokens": (ARRAY, (STRING, tokens)),
        "tokenizer__ggml__token_type": (ARRAY, (INT32, kinds)),
        "tokenizer__ggml__bos_token_id": (UINT32, COUNT - 1),
        "tokenizer__ggml__eos_token_id": (UINT32, COUNT - 1),
    }
    if merges is not None:
        more["tokenizer__ggml__merges"] = (ARRAY, (STRING, merges))
    if scores is not None:
        more["tokenizer__ggml__scores"] = (ARRAY, (FLOAT32, scores))
    if pre is not None:
        more["tokenizer__ggml__pre"] = (STRING, pre)
    if charsmap is not None:
        more["tokenizer__ggml__precompiled_charsmap"] = (ARRAY, (0, charsmap))
    return tiny_model(path, **more)


def without_attention(path: Path) -> str:
    """A small Mamba."""
    return recurrent(path, width=64, write=talking_model)


def first_of_two(path: Path) -> str:
    """The first part of a split model, with the second beside it."""
    return str(split_model(path.with_suffix(""), 2)[0])


KINDS: dict[str, Callable[[Path], str]] = {
    "bytes": tiny_model,
    "pairs": of_pairs,
    "words": of_words,
    "unigrams": of_unigrams,
    "recurrent": without_attention,
    "split": first_of_two,
}
"""Kind → function that writes such a model."""
