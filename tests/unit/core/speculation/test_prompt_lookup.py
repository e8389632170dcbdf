"""Guessing tokens from what stood after the same ones before."""

from __future__ import annotations

from sidecar.core.speculation.prompt_lookup import PromptLookup
from sidecar.core.speculation.speculation import FIRST_DRAFT_TOKENS, MAX_DRAFT_TOKENS, Speculation


def test_what_followed_the_last_three_before_is_proposed() -> None:
    tokens = [1, 2, 3, 4, 5, 6, 9, 2, 3, 4]
    assert PromptLookup().propose(tokens, 3) == [5, 6, 9]


def test_the_last_of_several_places_counts_and_three_tokens_count_more_than_two() -> None:
    assert PromptLookup().propose([1, 2, 3, 7, 1, 2, 3, 8, 1, 2, 3], 1) == [8]
    assert PromptLookup().propose([1, 2, 3, 7, 9, 2, 3, 8, 1, 2, 3], 1) == [7]


def test_without_a_place_nothing_is_proposed() -> None:
    assert PromptLookup().propose([1, 2, 3, 4, 5], 8) == []
    assert PromptLookup().propose([1], 8) == []
    assert PromptLookup().propose([], 8) == []


def test_tokens_that_come_later_are_learned_and_a_cut_is_noticed() -> None:
    lookup = PromptLookup()
    tokens = [1, 2, 3, 4]
    assert lookup.propose(tokens, 4) == []
    tokens += [1, 2, 3]
    assert lookup.propose(tokens, 4) == [4, 1, 2, 3]
    del tokens[:4]
    assert lookup.propose(tokens, 4) == []


def test_accepted_tokens_make_more_and_bad_ones_fewer() -> None:
    speculation = Speculation(PromptLookup())
    tokens = [*range(100), 0, 1, 2]
    assert len(speculation.propose(tokens, 99, 0)) == FIRST_DRAFT_TOKENS
    speculation.record(FIRST_DRAFT_TOKENS, FIRST_DRAFT_TOKENS)
    assert len(speculation.propose(tokens, 99, 0)) == 2 * FIRST_DRAFT_TOKENS
    for _ in range(5):
        speculation.record(10, 10)
    assert len(speculation.propose(tokens, 99, 0)) == MAX_DRAFT_TOKENS
    speculation.record(16, 0)
    assert len(speculation.propose(tokens, 99, 0)) == 2
    assert (speculation.drafted, speculation.accepted) == (FIRST_DRAFT_TOKENS + 66, FIRST_DRAFT_TOKENS + 50)


def test_draft_tokens_that_do_not_pay_are_compared_with_what_comes_until_they_do() -> None:
    speculation = Speculation(PromptLookup())
    tokens = [*range(100), 0, 1, 2]
    assert speculation.propose(tokens, 99, 0.7) == [3, 4, 5, 6, 7, 8], "at first they are taken to be right"
    speculation.record(6, 0)
    assert speculation.propose(tokens, 99, 0.7) == []
    assert speculation.propose(tokens, 99, 0) == [], "what is compared is not proposed again meanwhile"
    for token in range(3, 40):
        tokens.append(token)
        draft = speculation.propose(tokens, 99, 0.7)
        if draft:
            break
    assert draft == list(range(token + 1, token + 1 + len(draft)))
    assert token == 8, "two draft tokens and four more were seen to be right"
    assert (speculation.drafted, speculation.accepted) == (6, 0), "only what was evaluated counts"


def test_draft_tokens_that_stay_wrong_are_not_evaluated() -> None:
    speculation = Speculation(PromptLookup())
    speculation.record(6, 0)
    tokens = [0, 1, 2, 3] * 3
    for other in range(100, 150):
        assert speculation.propose(tokens, 99, 0.7) == []
        tokens += [other, 0, 1, 2]


def test_removed_tokens_do_not_rate_draft_tokens() -> None:
    speculation = Speculation(PromptLookup())
    speculation.record(6, 2)
    tokens = [*range(100), 0, 1, 2]
    assert speculation.propose(tokens, 99, 0.7) == []
    del tokens[4:90]
    assert speculation.propose(tokens, 99, 0) != []
