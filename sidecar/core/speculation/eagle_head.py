"""An EAGLE-3 draft: a head with a file of its own. It reads what comes into three of the model's layers.

Its encoder makes one state of the three for each token. llama.cpp puts a token, and the state before it, at the
position of that state; here they are at the token's, as for other heads: only distances of positions count (llama.cpp:
common/speculative.cpp, draft_eagle3, and src/models/eagle3.cpp).
"""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from sidecar.core.context import memory_check
from sidecar.core.llama import nextn
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.speculation.head import Head, options_of

if TYPE_CHECKING:
    from sidecar.core.context.context import Context
    from sidecar.core.context.context_options import ContextParams

STEP_TOKENS: Final = 64
"""Tokens of a step, or one for each sequence. llama.cpp keeps room for the logits of all of them: 33 MB with a
vocabulary of 128,256."""


class EagleHead(Head):
    """See Head. `model`: the draft, whose `target_layers` say what it reads of the main model."""

    all_or_none = True
    """llama.cpp computes logits for all tokens, and copies as many rows as are asked for, from the first on."""

    def __init__(self, model: Model, main: Context, params: ContextParams) -> None:
        """Create it. `params`: those of the main context.

        Raises SidecarError `contextCreationFailed`, `outOfMemory`.
        """
        batch = min(main.batch_size, max(STEP_TOKENS, len(main.sequences)))
        caches = 1 if main.shared_tokens else len(main.sequences)
        planned: ContextParams = {**params, "batchSize": batch, "sequences": caches}
        memory_check.check_context(model, planned, main.size)
        self._layers = model.target_layers
        self._last: int = lib.llama_model_n_layer(main.model.handle)
        super().__init__(main, model, options_of(main, model, params, batchSize=batch), first=1)

    def start(self, owned: ExitStack) -> None:
        """See Head."""
        main = self.main
        self._row = 4 * lib.llama_model_n_embd(main.model.handle)
        self._features = lib.llama_batch_init(self.batch_size, len(self._layers) * self._row // 4, 1)
        owned.callback(lib.llama_batch_free, self._features)
        for layer in self._layers:
            if layer < self._last:
                nextn.set_layer_inputs(main.handle, layer, True)
            else:  # what comes out of the last layer
                nextn.set_hidden_states(main.handle, True, False)

    def states_of_step(self, count: int) -> list[bytes] | None:
        """See Head. Computes them, `batch_size` in a step."""
        main, states = self.main.handle, list[bytes]()
        sources = [
            nextn.layer_inputs(main, layer) if layer < self._last else nextn.hidden_state(main, 0)
            for layer in self._layers
        ]
        for begin in range(0, count, self.batch_size):
            places = range(begin, min(count, begin + self.batch_size))
            self._fill(sources, places)
            self.set_threads(len(places))
            code = lib.llama_encode(self.handle, self._features)
            if code != 0:
                self.warn("llama_encode", code)
                return None
            states += [self.state(self.handle, place) for place in range(len(places))]
        return states

    def _fill(self, sources: list[int], places: range) -> None:
        """Put the rows of these places of the main context's batch into the encoder's, those of a token in a row."""
        batch, row = self._features, self._row
        to = ctypes.addressof(batch.embd.contents)
        position = lib.llama_memory_seq_pos_max(self.memory, 0) + 1  # llama.cpp checks it
        for at, place in enumerate(places):
            for source in sources:
                ctypes.memmove(to, source + place * row, row)
                to += row
            batch.pos[at] = position + at
            batch.n_seq_id[at], batch.seq_id[at][0], batch.logits[at] = 1, 0, True
        batch.n_tokens = len(places)
