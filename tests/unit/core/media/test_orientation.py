"""Photos that were taken with a camera on its side."""

from __future__ import annotations

import media_files
import pytest
from media_files import stripes

from sidecar.core.media import pictures
from sidecar.core.media.orientation import turned

JPEG = media_files.jpeg(stripes(["red", "blue"], 24, 16))

TURNED = {
    2: "cba fed",
    3: "fed cba",
    4: "def abc",
    5: "ad be cf",
    6: "da eb fc",
    7: "fc eb da",
    8: "cf be ad",
}
"""Orientation → how a person sees the pixels `abc def`."""


@pytest.mark.parametrize("orientation", TURNED)
def test_pixels_are_turned(orientation: int) -> None:
    def pixels(letters: str) -> bytes:
        return b"".join(bytes([ord(letter), index, 255 - ord(letter)]) for letter in letters for index in [7])

    expected = TURNED[orientation].replace(" ", "")
    assert turned(pixels("abcdef"), 3, 2, orientation) == pixels(expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_camera_has_written_is_read(order: str) -> None:
    found = [pictures.orientation(media_files.photo(JPEG, value, order)) for value in range(10)]
    assert found == [1, 1, 2, 3, 4, 5, 6, 7, 8, 1]
    assert pictures.size(media_files.photo(JPEG, 6, order)) == (24, 16)


def test_of_many_tags_the_first_counts_and_nothing_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be 300,000, and reading one takes milliseconds."""
    read = []
    monkeypatch.setattr(pictures, "of_exif", lambda segment: read.append(segment) or 1)
    cut = media_files.photo(JPEG, 6)[2:]
    other = b"\xff\xe1\0\x06http"
    assert pictures.orientation(JPEG[:2] + other + cut[: cut.index(JPEG[2:6])] * 3 + JPEG[2:]) == 1
    assert read == [cut[4 : cut.index(JPEG[2:6])]]


def test_other_pictures_and_damaged_tags_are_upright() -> None:
    assert pictures.orientation(JPEG) == 1
    assert pictures.orientation(media_files.png(stripes(["red"], 4, 4))) == 1
    whole = media_files.photo(JPEG, 6)
    for at in range(6, whole.index(JPEG[2:6])):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        assert 1 <= pictures.orientation(bytes(changed)) <= 8
