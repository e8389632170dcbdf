"""How many conversations wait in memory; no model is needed for that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.core.context import sequence_state
from sidecar.core.context.conversation_store import ConversationStore, Held, Origin
from sidecar.core.context.sequence import Sequence


def held(number: int, size: int, origin: Origin = "memory") -> Held:
    return Held([number] * 9, (), [], 0, bytearray(size), origin=origin)


def test_it_keeps_its_bytes_and_at_most_one_from_the_disk_that_is_larger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context: Any = SimpleNamespace(
        cache_bytes=100,
        whole_pieces=lambda held, shared, aligned: shared,
        can_cut=lambda oldest, position: True,
    )
    told: list[Any] = []
    store = ConversationStore(context, told.append)

    def there(*numbers: int) -> None:
        store.report()
        found = {number for number in range(9) if store.find([number] * 9, ())[1]}
        assert found == set(numbers)
        assert told[-1]["memoryConversations"] == len(numbers)

    for number in (1, 2, 3):
        store.add(held(number, 40))
    there(2, 3)
    store.add(held(4, 101))
    there(2, 3)
    for number in (5, 6):
        store.add(held(number, 1000, "disk"))
        there(2, 3, number)
    store.add(held(7, 40))
    there(3, 6, 7)
    assert told[-1]["memoryBytes"] == 1080
    assert told[-1]["memoryHits"] == 0

    monkeypatch.setattr(sequence_state, "copy_in", lambda *_: True)
    for number in (3, 7):
        found, count = store.find([number] * 9, ())
        assert found is not None and count == 9
        store.take_back(found, Sequence(0, []))
    there(6)
    assert (told[-1]["memoryHits"], told[-1]["memoryBytes"]) == (2, 1000)
