"""`infill`: a prompt of prefix and suffix, with the tokens between which the model learnt to write."""

from __future__ import annotations

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler.errors import SidecarError


def prompt(model: Model, prefix: str, suffix: str) -> list[int]:
    """As llama-server puts it together. Raises SidecarError `unsuitableModel` if the model has no such tokens.

    The texts are someone's work, in which nothing is a special token.
    """
    before, behind, between = (
        getattr(lib, f"llama_vocab_fim_{name}")(model.vocab) for name in ("pre", "suf", "mid")
    )
    if min(before, behind, between) < 0:
        raise SidecarError("unsuitableModel", f"{model.model_id} has no tokens for infilling")
    begin = [lib.llama_vocab_bos(model.vocab)] if lib.llama_vocab_get_add_bos(model.vocab) else []
    first, second = (
        model.tokenize(text, add_special=False, parse_special=False) for text in (prefix, suffix)
    )
    return [*begin, before, *first, behind, *second, between]
