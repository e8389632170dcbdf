"""The likeliest tokens by the logits, without any other sampler."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer, llama_token_data_array

RANKED: Final = 32
"""How many tokens are ranked. llama.cpp sorts up to 128 with little work."""


class TopTokens:
    """Owns a sampler chain whose last sampler reads what the others leave."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._interface = lib.llama_sampler_i(
            name=lib.llama_sampler_i_name(lambda _: b"reader"), apply=lib.llama_sampler_i_apply(self._see)
        )
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(self._chain, lib.llama_sampler_init_top_k(RANKED))
        lib.llama_sampler_chain_add(self._chain, lib.llama_sampler_init(ctypes.byref(self._interface), None))

    def read(self, context: Context, batch_index: int) -> list[int]:
        """The likeliest tokens by the logits at a batch index, the likeliest first."""
        lib.llama_sampler_sample(self._chain, context.handle, batch_index)
        return self._tokens

    def free(self) -> None:
        """Give the samplers back."""
        lib.llama_sampler_free(self._chain)

    def _see(self, _: SamplerPointer, candidates: ctypes._Pointer[llama_token_data_array]) -> None:
        array = candidates.contents
        self._tokens = [array.data[index].id for index in range(array.size)]
        array.selected = 0
