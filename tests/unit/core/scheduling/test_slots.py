"""Which sequence a request gets, and when, depending on the caches; no model is needed for that."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from sidecar.core.context.context import Context
from sidecar.core.context.conversation_store import ConversationStore
from sidecar.core.context.sequence import Sequence
from sidecar.core.scheduling.generation_runner import GenerationRunner
from sidecar.core.scheduling.slots import MIN_DECIDING_TOKENS, Slots


class Rows(Context):
    """A context's sequences, each with the tokens in its cache, used one after the other."""

    def __init__(self, *caches: list[int]) -> None:
        self.model: Any = SimpleNamespace(has_state_beyond_kv=False)
        self.window, self.needs_checkpoints, self.cache_bytes, self.shared_tokens = 0, False, 0, 0
        self.sequences = [
            Sequence(index, tokens, last_used=float(index)) for index, tokens in enumerate(caches)
        ]

    def copy_prefix(self, source: Sequence, target: Sequence, count: int) -> int:
        return self.reusable(target, source.tokens[:count], source.scales)  # no copy

    def keep_prefix(self, sequence: Sequence, count: int) -> int:
        return count


def request(number: int, tokens: list[int], found: list[tuple[int, int]], priority: int = 0) -> Any:
    """The part of a Generation that this needs. What `admit` receives goes to `found`."""

    def admit(kept: int, origin: str) -> None:
        found.append((made.sequence.index, kept))

    made = SimpleNamespace(
        tokens=tokens,
        prompt=tokens,
        media=None,
        speculation=None,
        scales=(),
        priority=priority,
        arrived=number,
        admit=admit,
        prompt_done=True,
        system_end=0,
        sequence=None,
        queue_position=0,
    )
    return made


def slots_of(rows: Rows) -> Slots:
    return Slots(rows, ConversationStore(rows, lambda figures: None))


def admit(slots: Slots) -> None:
    """Admit all that can be."""
    while slots.choose():
        slots.bring()
        slots.settle()


def placed(rows: Rows, *prompts: list[int]) -> list[tuple[int, int]]:
    """The index of the sequence that each gets, all at once, and how many tokens it finds there."""
    found: list[tuple[int, int]] = []
    slots = slots_of(rows)
    for number, tokens in enumerate(prompts):
        slots.add(request(number, tokens, found))
    admit(slots)
    return found


def test_the_longest_common_prefix_decides() -> None:
    conversation = list(range(100))
    rows = Rows([500, 501], [*conversation[:40], 7], conversation, [600])
    assert placed(rows, [*conversation, 1, 2]) == [(2, 100)]


def test_a_few_common_tokens_do_not_spread_requests_over_the_sequences() -> None:
    few, own = list(range(MIN_DECIDING_TOKENS - 1)), list(range(100, 120))
    rows = Rows([900], [901], [*few, 902], [903], [*few, 904], [905])
    assert placed(rows, [*few, *own], [*few, *own], [*few, *own]) == [(0, 0), (1, 0), (2, 15)]


def test_enough_common_tokens_or_half_of_the_prompt_decide() -> None:
    enough = list(range(MIN_DECIDING_TOKENS))
    assert placed(Rows([900], [901], [*enough, 902]), [*enough, *range(100, 120)]) == [(2, 16)]
    assert placed(Rows([900], [901], [1, 2, 3, 902]), [1, 2, 3, 4, 5, 6]) == [(2, 3)]


def test_the_least_recently_used_cache_is_given_up() -> None:
    rows = Rows(*([900 + index] for index in range(4)))
    rows.sequences[0].last_used = 9
    assert placed(rows, [1, 2, 3]) == [(1, 0)]


def test_requests_that_run_together_are_neighbours() -> None:
    near, in_turn = [2, 3, 1, 0], [2, 0, 3, 1]
    for cache_bytes, pool, piece, places in (
        (1, 0, 0, near),
        (0, 0, 0, in_turn),
        (1, 999, 0, in_turn),
        (1, 0, 64, in_turn),
    ):
        rows = Rows([1], [2], [3], [4])
        rows.cache_bytes, rows.shared_tokens, rows.piece = cache_bytes, pool, piece
        for sequence, last_used in zip(rows.sequences, (2.0, 9.0, 1.0, 3.0), strict=True):
            sequence.last_used = last_used
        assert [place for place, _ in placed(rows, [11], [12], [13], [14])] == places


def test_a_state_that_cannot_be_cut_is_kept_for_requests_that_use_all_of_it() -> None:
    begun = list(range(40))
    for prompt, place in ([*begun[:30], 99], (0, 0)), ([*begun, 99], (1, 40)):
        rows = Rows([], begun)
        rows.model.has_state_beyond_kv = True
        assert placed(rows, prompt) == [place]


def test_an_urgent_request_takes_the_sequence_of_the_youngest_in_the_background() -> None:
    rows, found = Rows([900], [901]), list[tuple[int, int]]()
    slots = slots_of(rows)
    old, young, urgent = (request(n, [n, 1, 2], found, priority) for n, priority in enumerate((1, 1, 0)))
    slots.add(old)
    slots.add(young)
    admit(slots)
    assert slots.running == [old, young]
    slots.add(urgent)
    admit(slots)
    assert slots.running == [old, urgent]
    assert (slots.waiting, young.sequence, young.queue_position) == (1, None, None)
    assert slots.remove(urgent)
    admit(slots)
    assert slots.running == [old, young]
    assert found == [(0, 0), (1, 0), (1, 0), (1, 0)]


def test_the_sequence_of_a_removed_request_is_free_and_used_last() -> None:
    rows, found = Rows([900], [901]), list[tuple[int, int]]()
    slots = slots_of(rows)
    first, second = (request(n, [n, 1, 2], found) for n in range(2))
    slots.add(first)
    slots.add(second)
    assert slots.remove(second), "it waits"
    admit(slots)
    assert [sequence.in_use for sequence in rows.sequences] == [True, False]
    assert slots.remove(first), "it runs"
    assert not slots.remove(first), "it has ended"
    assert [sequence.in_use for sequence in rows.sequences] == [False, False]
    assert rows.sequences[0].last_used > rows.sequences[1].last_used
    assert list(slots) == []


def test_a_request_that_is_removed_while_its_cache_is_copied_does_not_begin() -> None:
    rows, found = Rows([900]), list[tuple[int, int]]()
    slots, gone, next_one = slots_of(rows), request(0, [0, 1], found), request(1, [1, 2], found)
    slots.add(gone)
    slots.add(next_one)
    assert slots.choose()
    assert slots.remove(gone)
    slots.bring()
    slots.settle()
    admit(slots)
    assert (slots.running, found) == ([next_one], [(0, 0)])


def test_a_request_that_comes_between_the_parts_of_an_empty_step_is_not_forgotten() -> None:
    context: Any = Rows([])
    context.abort_flag, context.piece, context.batch_size = threading.Event(), 0, 512
    context.scales, context.clear_batch = (), lambda: None
    writer: Any = None
    runner = GenerationRunner(slots_of(context), context, None, writer)
    assert not runner.admit()
    runner.add(request(1, [1, 2, 3], []))  # from another thread: the compute thread has no lock now
    assert runner.plan(others_streaming=False)
    assert not runner.fill()
    runner.end()
    assert runner.has_work()
    assert runner.admit()
