"""The model's own head: a layer that guesses the token after the next one (multi-token prediction)."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from sidecar.core.llama import nextn
from sidecar.core.llama.bindings import lib
from sidecar.core.speculation.head import Head, options_of

if TYPE_CHECKING:
    from sidecar.core.context.context import Context
    from sidecar.core.context.context_options import ContextParams

CONTEXT_TYPE: Final = 1
"""LLAMA_CONTEXT_TYPE_MTP (llama.h)."""


class MtpHead(Head):
    """See Head. Its weights are in the model's file; it reads what comes out of the model's last layer."""

    def __init__(self, main: Context, params: ContextParams) -> None:
        """Create it. `params`: those of the main context. Raises SidecarError `contextCreationFailed`."""
        options = options_of(main, main.model, params)
        options.ctx_type, options.n_rs_seq = CONTEXT_TYPE, 0
        options.swa_full = True  # guesses that were wrong are taken back
        super().__init__(main, main.model, options, first=0)

    def start(self, _: ExitStack) -> None:
        """See Head."""
        if lib.llama_model_n_layer_nextn(self.main.model.handle) > 1:
            self.most = 1  # the first of several heads is made for one guess
        nextn.set_hidden_states(self.main.handle, True, False)

    def states_of_step(self, count: int) -> list[bytes]:
        """See Head."""
        return [self.state(self.main.handle, place) for place in range(count)]
