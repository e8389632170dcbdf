"""Which draft models fit a model. The rules are those of llama.cpp (common/speculative.cpp)."""

from __future__ import annotations

from typing import Final

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler.errors import SidecarError

MAX_SIZE_DIFFERENCE: Final = 128
"""Tokens that one vocabulary may have more than the other."""

FIRST_COMPARED: Final = 5
"""The tokens before this one may differ."""


def check_pair(model: Model, draft: Model, path: str) -> None:
    """Raise SidecarError `unsuitableDraft` if the draft model cannot propose tokens for the model.

    `path` is the draft model's, as the request gave it.
    """
    cause = _misfit(model, draft)
    if cause is not None:
        problem = f"/draftPath: {path!r} does not fit {model.path!r}: {cause}"
        raise SidecarError("unsuitableDraft", problem, pointer="/draftPath", value=path[:500], cause=cause)


def _misfit(model: Model, draft: Model) -> str | None:
    """Why the pair does not fit; None if it does."""
    if model.has_state_beyond_kv:
        return "the model's state is recurrent and cannot take back draft tokens"
    if draft.has_state_beyond_kv:
        return "the draft model's state is recurrent and cannot take back draft tokens"
    if lib.llama_vocab_type(model.vocab) != lib.llama_vocab_type(draft.vocab):
        return "their vocabularies are of different types"
    if _begin_token(model) != _begin_token(draft):
        return "their bos tokens differ"
    if _end_token(model) != _end_token(draft):
        return "their eos tokens differ"
    if abs(model.vocabulary_size - draft.vocabulary_size) > MAX_SIZE_DIFFERENCE:
        return f"their vocabularies have {model.vocabulary_size} and {draft.vocabulary_size} tokens"
    text = lib.llama_vocab_get_text
    for token in range(FIRST_COMPARED, min(model.vocabulary_size, draft.vocabulary_size)):
        if text(model.vocab, token) != text(draft.vocab, token):
            return f"token {token} differs"
    return None


def _begin_token(model: Model) -> int | None:
    """The token that the tokenizer puts before a text; None if it puts none."""
    return lib.llama_vocab_bos(model.vocab) if lib.llama_vocab_get_add_bos(model.vocab) else None


def _end_token(model: Model) -> int | None:
    """The token that the tokenizer puts after a text; None if it puts none."""
    return lib.llama_vocab_eos(model.vocab) if lib.llama_vocab_get_add_eos(model.vocab) else None
