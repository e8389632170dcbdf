"""Runs the requests of a context that generates: fills its batches, and gives each request its tokens.

In a step, each request that generates has one token and its draft tokens in the batch. Prompts share the rest of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sidecar.core.context.context import DECODE_ABORTED, Context
from sidecar.core.context.row_batch import RowBatch, next_rows
from sidecar.core.media import media_id
from sidecar.core.scheduling import checkpoint_places
from sidecar.core.scheduling.runner import PROMPT_CHUNK_WHILE_STREAMING
from sidecar.core.scheduling.slots import Slots
from sidecar.core.speculation.speculation import Speculation
from sidecar.message_handler import log
from sidecar.message_handler.errors import SidecarError
from sidecar.message_handler.writer import Writer

if TYPE_CHECKING:
    from sidecar.core.scheduling.generation import Generation
    from sidecar.core.speculation.draft_model import DraftModel
    from sidecar.core.speculation.head import Head

WAIT_S: Final = 0.002
"""How often it looks whether a grammar is made for which all requests wait. An abort waits as long."""

TURN_STEPS: Final = 8
"""Steps after which requests with other adapters get their turn. After a change llama.cpp plans its memory again."""


class GenerationRunner:
    """See `Runner`."""

    def __init__(
        self, slots: Slots, context: Context, draft_model: DraftModel | Head | None, writer: Writer
    ) -> None:
        """Owns `context` and `draft_model` from now on."""
        self.context = context
        self._draft_model = draft_model
        self._writer = writer
        self._slots = slots
        self._in_step: list[Generation] = []
        """The requests of the current step. Only the compute thread touches them."""
        self._chunks: dict[Generation, list[int]] = {}
        """The tokens in the batch."""
        self._rows: RowBatch | None = None
        """Rows of a picture or a sound, in whose step there are no tokens."""
        self._tried_at = -1
        self._stuck_at = -1
        """States of the slots: when admission was tried last, and when nobody could compute as all wait for rows."""
        self._others_waiting = False
        """Whether streams wait for the end of the step: in other contexts, or with other adapters."""
        self._turn_steps = 0  # since the adapters changed

    # ---- requests --------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        return self._slots.waiting

    def add(self, generation: Generation) -> None:
        self._slots.add(generation)

    def interrupt(self, generation: Generation) -> None:
        if generation not in self._in_step:
            self._abort(generation)
        elif not self.context.model.has_state_beyond_kv or len(self._in_step) == 1:
            # A recurrent state cannot take back an aborted batch: the other requests would start again.
            self.context.abort_flag.set()

    def _abort(self, generation: Generation) -> None:
        if self._slots.remove(generation):  # if not, it has ended
            generation.abort()

    def drop_unwanted(self) -> None:
        for generation in self._slots:
            if generation.job.cancelled:
                self._abort(generation)
            elif generation.job.late and self._slots.remove(generation):
                generation.expire()

    def has_work(self) -> bool:
        if any(not generation.waits for generation in self._slots.running):
            return True
        return self._slots.waiting > 0 and self._slots.changes != self._stuck_at

    def is_idle(self) -> bool:
        return not self._slots.running and not self._slots.waiting

    def is_streaming(self) -> bool:
        return any(generation.prompt_done for generation in self._slots.running)

    def send_deltas(self) -> None:
        for generation in self._slots.running:
            generation.send_deltas()

    def close(self) -> None:
        for generation in self._slots:
            generation.abort()
        if self._draft_model is not None:
            self._draft_model.free()
        self.context.free()

    # ---- a step ----------------------------------------------------------------------------------

    def admit(self) -> bool:
        self._slots.settle()
        self._tried_at = self._slots.changes
        return self._slots.choose()

    def place(self) -> None:
        self._slots.bring()

    def plan(self, others_streaming: bool) -> bool:
        self._slots.shrink()
        if self._slots.waiting:
            self._slots.send_progress(self._writer)
        running = self._slots.running
        if _unwanted(running):
            return False
        ready = [generation for generation in running if not generation.sampler.waits()]
        if running and not ready:
            time.sleep(WAIT_S)
            return False
        self._in_step = self._take_turns(ready)
        self._others_waiting = others_streaming or (
            len(self._in_step) < len(ready)
            and any(g.prompt_done for g in ready if g.scales != self.context.scales)
        )
        if self.context.piece:
            self._in_step = self._slots.next_alone(self._in_step)
        self.context.abort_flag.clear()
        return True

    def _take_turns(self, generations: list[Generation]) -> list[Generation]:
        """The requests with one set of adapters. If others wait, a set keeps its turn for TURN_STEPS steps."""
        sets = sorted({generation.scales for generation in generations})
        self._turn_steps += 1
        if sets and (self.context.scales not in sets or self._turn_steps >= TURN_STEPS):
            self._turn_steps = 0
            self.context.use_adapters(
                next((scales for scales in sets if scales > self.context.scales), sets[0])
            )
        return [generation for generation in generations if generation.scales == self.context.scales]

    def draft(self) -> None:
        self._slots.make_room()
        generations, context = self._in_step, self.context
        if self._draft_model is None or not generations:
            return
        each = (min(context.batch_size, context.max_outputs) - len(generations)) // len(generations)
        asking, indices, tokens, limits = list[Speculation](), [], [], []
        for generation in generations:
            speculation, sequence = generation.speculation, generation.sequence
            assert sequence is not None
            most = generation.max_draft_tokens(each)
            if speculation is None or not speculation.uses_draft_model or most <= 0:
                continue
            if len(generation.pending_tokens()) == 1 and speculation.takes_offer():
                asking.append(speculation)
                indices.append(sequence.index)
                tokens.append(generation.tokens if self._draft_model.reads_rows else generation.text_tokens())
                limits.append(most)
        if not asking:
            return
        alone = len(generations) == 1 and not self._others_waiting
        room = context.batch_size if alone else len(generations) + PROMPT_CHUNK_WHILE_STREAMING
        drafts = self._draft_model.propose(indices, tokens, limits, min(room, context.batch_size))
        for speculation, draft in zip(asking, drafts, strict=True):
            speculation.offer(draft)

    def fill(self) -> bool:
        generations, context = self._in_step, self.context
        if _unwanted(generations):
            return False
        context.abort_flag.clear()
        context.clear_batch()
        self._chunks = {}
        asking = ((g, tokens) for g in generations if (tokens := g.pending_tokens()))
        pending = sorted(asking, key=lambda each: len(each[1]))
        streams = sum(len(tokens) == 1 for _, tokens in pending)
        room = context.batch_size
        if (streams or self._others_waiting) and not context.piece:
            room = min(room, streams + PROMPT_CHUNK_WHILE_STREAMING)
        if self._add_rows(generations, room, bool(pending)):
            return True
        for index, (generation, tokens) in enumerate(pending):
            # The shortest first, each at most its share: a short prompt does not wait for a long one.
            most = max(room // (len(pending) - index), 1) if room else 0
            chunk = tokens[: min(most, checkpoint_places.distance(generation))]
            if not chunk:
                continue
            assert generation.sequence is not None
            outputs = int(len(generation.sequence.tokens) + len(chunk) == len(generation.tokens))
            if len(tokens) == outputs == 1:
                most = (min(room, context.max_outputs) - len(pending)) // streams
                draft = generation.propose(most, streams)
                chunk, outputs = chunk + draft, 1 + len(draft)
            at = context.add_to_batch(generation.sequence, chunk, outputs)
            generation.batch_index = at if outputs else -1
            self._chunks[generation] = chunk
            room -= len(chunk)
        if self._others_waiting and sum(map(len, self._chunks.values())) > len(self._chunks):
            self._turn_steps = TURN_STEPS  # a piece of a prompt is a whole turn
        self._in_step = list(self._chunks)
        if not self._chunks:
            self._stuck_at = self._tried_at  # what has come since then was not tried
        return bool(self._chunks)

    def _add_rows(self, generations: list[Generation], room: int, has_tokens: bool) -> bool:
        """Whether the step is for rows of a picture or a sound. If there are tokens, too, the two take turns."""
        before, self._rows = self._rows, None
        ready = [(generation, rows) for generation in generations if (rows := self._rows_of(generation))]
        if not ready or (has_tokens and before is not None):
            return False
        generation, self._rows = ready[0]
        self._rows.limit(room)
        generation.batch_index = self._rows.count - 1 if self._rows.outputs else -1
        self._chunks = {generation: self._rows.ids}
        self._in_step = [generation]
        return True

    def _rows_of(self, generation: Generation) -> RowBatch | None:
        assert generation.sequence is not None
        try:
            return next_rows(generation.sequence, generation.tokens, generation.media)
        except SidecarError as error:
            self._fail(generation, error)
            return None

    def compute(self) -> None:
        code = self.context.decode() if self._rows is None else self._rows.decode(self.context)
        if code != 0:
            self._recover(code)
            return
        if self._draft_model is not None and self._rows is None:
            self._draft_model.note([(g.sequence, chunk) for g, chunk in self._chunks.items() if g.sequence])
        for generation, chunk in self._chunks.items():
            assert generation.sequence is not None
            generation.sequence.add(chunk)
            checkpoint_places.note_piece(generation)
            if self._rows is not None and generation.media is not None and self._rows.complete:
                generation.media.release()
        for generation in self._chunks:
            self._sample(generation)
            if generation.sequence is not None and checkpoint_places.is_due(generation):
                self.context.take_checkpoint(generation.sequence)

    def _sample(self, generation: Generation) -> None:
        if not generation.prompt_done:
            generation.send_prompt_progress()
        if generation.batch_index < 0:
            return
        try:
            reason = generation.sample()
        except Exception as error:
            self._fail(generation, error)
            return
        if reason is not None:
            self._slots.remove(generation)
            generation.finish(reason)

    def _fail(self, generation: Generation, error: Exception) -> None:
        self._slots.remove(generation)
        generation.fail(error)

    def _recover(self, code: int) -> None:
        """Continue after an aborted or failed batch, with the tokens that llama.cpp still holds."""
        for generation in self._chunks:
            self._resynchronise(generation)
            if code != DECODE_ABORTED:
                cause = f"llama_decode returned {code}"
                error = SidecarError("decodeFailed", "The batch could not be evaluated", cause=cause)
                self._fail(generation, error)
        if code != DECODE_ABORTED:
            log.log("warning", "llama_decode failed", code=code, context=self.context.context_id)

    def _resynchronise(self, generation: Generation) -> None:
        sequence, context = generation.sequence, self.context
        assert sequence is not None
        held = media_id.held(generation.tokens, context.last_position(sequence))
        if context.model.has_state_beyond_kv or held < len(sequence.tokens):
            context.go_back(sequence, len(sequence.tokens))
        elif self._rows is not None:
            self._rows.take_back(context)
        else:
            sequence.hold(generation.tokens[:held])
            # llama.cpp computes a batch in parts. Some may be done, but their logits are gone.
            context.cut(sequence, len(generation.tokens) - 1)

    def end(self) -> None:
        self._in_step, self._chunks = [], {}


def _unwanted(generations: list[Generation]) -> bool:
    """Whether one was cancelled. Then there is no step: the scheduler drops the request first."""
    return any(generation.job.cancelled for generation in generations)
