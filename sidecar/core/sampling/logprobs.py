"""Log-probabilities of the tokens, from the logits before any other sampler changes them.

llama.cpp's own samplers do the arithmetic on a copy of the logits: the first one turns them into probabilities, the
second one finds the highest, and the last one, in Python, reads them. This runs only for requests that ask for it.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer, llama_token_data_array
    from sidecar.message_handler._types import ChosenToken, LikelyToken

LOWEST: Final = -9999.0
"""Stands for minus infinity, which JSON does not have (OpenAI's number)."""


class Logprobs:
    """The log-probabilities of one request's tokens; `entries` have the form of the wire."""

    def __init__(self, model: Model, top: int) -> None:
        self.entries: list[ChosenToken] = []
        self._model = model
        self._top = top
        self._highest: list[tuple[int, float]] = []
        self._normaliser = 0.0
        self._interface = lib.llama_sampler_i(
            name=lib.llama_sampler_i_name(lambda _: b"reader"), apply=lib.llama_sampler_i_apply(self._read)
        )
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for sampler in (
            lib.llama_sampler_init_dist(0),
            lib.llama_sampler_init_top_k(max(top, 1)),
            lib.llama_sampler_init(ctypes.byref(self._interface), None),
        ):
            lib.llama_sampler_chain_add(self._chain, sampler)

    def observe(self, context: Context, batch_index: int) -> None:
        """Read the logits at a batch index, before a token is chosen from them."""
        lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        self._logits = lib.llama_get_logits_ith(context.handle, batch_index)

    def record(self, token: int) -> None:
        """Add the token that was chosen."""
        highest = [self._entry(other, logit) for other, logit in self._highest[: self._top]]
        self.entries.append({**self._entry(token, self._logits[token]), "topLogprobs": highest})

    def free(self) -> None:
        """Free the samplers. May be called twice."""
        if self._chain is not None:
            lib.llama_sampler_free(self._chain)
            self._chain = None  # type: ignore[assignment]  # no longer used

    def _read(self, _: SamplerPointer, candidates: ctypes._Pointer[llama_token_data_array]) -> None:
        array = candidates.contents
        data = array.data
        # p = e^logit / Σ e^logit. The sum follows from the highest, whose p does not round to nothing.
        self._normaliser = data[0].logit - math.log(data[0].p)
        self._highest = [(data[i].id, data[i].logit) for i in range(array.size)]
        array.selected = 0

    def _entry(self, token: int, logit: float) -> LikelyToken:
        piece = self._model.piece(token)
        text = piece.decode("utf-8", "replace") if piece else self._model.token_text(token)
        logprob = round(max(LOWEST, logit - self._normaliser), 6)  # LOWEST for NaN, too
        return {"id": token, "token": text, "bytes": list(piece), "logprob": min(logprob, 0.0)}
