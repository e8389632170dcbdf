"""Pictures and sound in lists of tokens: what is counted, cut and compared."""

from __future__ import annotations

from sidecar.core.context.sequence import Sequence, shared_length
from sidecar.core.media import media_id

HASH = "ab" * 32
PICTURE = media_id.make(HASH, 0, rows=6, positions=3, flat=True)
"""With M-RoPE: 2 × 3."""
SOUND = media_id.make(HASH, 1, rows=4, positions=4, flat=False)
TOKENS = [1, 2, *[PICTURE] * 6, *[PICTURE] * 6, 3, *[SOUND] * 4, 4]


def test_an_id_says_how_many_rows_and_positions_there_are() -> None:
    assert (media_id.rows_of(PICTURE), media_id.positions_of(PICTURE), media_id.is_flat(PICTURE)) == (
        6,
        3,
        True,
    )
    assert (media_id.rows_of(SOUND), media_id.positions_of(SOUND), media_id.is_flat(SOUND)) == (4, 4, False)
    assert PICTURE < 0 and SOUND < 0


def test_ids_differ_by_file_number_and_size() -> None:
    other = "cd" * 32
    ids = {
        media_id.make(name, number, rows, positions, flat)
        for name in (HASH, other, "0" * 64)
        for number in (0, 1)
        for rows in (6, 7)
        for positions in (3, 6)
        for flat in (False, True)
    }
    assert len(ids) == 48


def test_a_cut_within_a_chunk_is_one_before_it() -> None:
    wholes = [media_id.whole(TOKENS, count) for count in range(len(TOKENS) + 1)]
    assert wholes == [0, 1, *[2] * 6, *[8] * 6, 14, *[15] * 4, 19, 20]
    assert media_id.whole(TOKENS[:5], 5) == 5  # all that there is, though the picture goes on
    assert media_id.whole(TOKENS[:5], 4) == 2


def test_whether_a_chunk_goes_on() -> None:
    going_on = [count for count in range(len(TOKENS) + 1) if media_id.ends_within(TOKENS[:count])]
    assert going_on == [3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 17, 18]


def test_positions_of_tokens_behind_pictures() -> None:
    positions = [media_id.position(TOKENS, index) for index in range(len(TOKENS))]
    assert positions == [0, 1, *[2] * 6, *[5] * 6, 8, 9, 10, 11, 12, 13]
    assert media_id.position(TOKENS, len(TOKENS)) == 14


def test_what_llama_cpp_holds_follows_from_its_last_position() -> None:
    held = [media_id.held(TOKENS, last) for last in range(-1, 15)]
    assert held == [0, 1, 2, 8, 8, 8, 14, 14, 14, 15, 16, 17, 18, 19, 20, 20]
    assert [media_id.held([5, 6, 7], last) for last in (-1, 0, 2, 9)] == [0, 1, 3, 3]


def test_text_ends_at_the_first_row() -> None:
    assert media_id.text_length(TOKENS) == 2
    assert media_id.text_length([1, 2]) == 2


def test_a_sequence_counts_positions_as_llama_cpp_does() -> None:
    sequence = Sequence(0, [])
    sequence.add([1, 2])
    assert sequence.end == 2
    sequence.add([PICTURE] * 4)
    sequence.add([PICTURE] * 2)
    assert sequence.end == 5
    sequence.add([3])
    assert (sequence.end, sequence.position(8), sequence.position(2)) == (6, 5, 2)
    sequence.keep(8)
    assert sequence.end == 5
    sequence.keep(2)
    assert sequence.end == 2
    sequence.hold(list(TOKENS))
    assert sequence.end == 14
    sequence.hold([])
    assert sequence.end == 0


def test_another_picture_of_the_same_size_shares_only_what_is_before_it() -> None:
    other = media_id.make("cd" * 32, 0, rows=6, positions=3, flat=True)
    assert shared_length(TOKENS, [1, 2, *[other] * 6]) == 2
    assert shared_length(TOKENS, [1, 2, *[PICTURE] * 6, 9]) == 8
