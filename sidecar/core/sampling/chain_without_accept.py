"""A chain that chooses a token and does not remember it, because a grammar may refuse the choice."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from sidecar.core.context.context import Context
from sidecar.core.llama.bindings import lib

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer


class ChainWithoutAccept:
    """Shares the samplers of a chain, which belongs to the caller, without their accept callback.

    llama_sampler_sample accepts its choice, which cannot be undone. A chain of llama.cpp keeps the memory for all
    candidates; for a sampler alone, it is taken anew in each step: 3 MB of 262,144 tokens, a tenth of a small model's
    step.
    """

    def __init__(self, chain: SamplerPointer) -> None:
        self._chain = chain
        self._interface = lib.llama_sampler_i.from_buffer_copy(chain.contents.iface.contents)
        self._interface.accept = lib.llama_sampler_i_accept()
        self._interface.free = lib.llama_sampler_i_free()
        self._own = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(self._own, self.sampler())
        self._freed = False

    def sampler(self) -> SamplerPointer:
        """One more sampler of llama.cpp that chooses so, for another chain. The caller frees it."""
        return lib.llama_sampler_init(ctypes.byref(self._interface), self._chain.contents.ctx)

    def sample(self, context: Context, batch_index: int) -> int:
        """Choose from the logits at a batch index."""
        token: int = lib.llama_sampler_sample(self._own, context.handle, batch_index)
        return token

    def free(self) -> None:
        """Free what it owns. May be called twice."""
        if not self._freed:
            lib.llama_sampler_free(self._own)
            self._freed = True
