"""File names that every system can store."""

from __future__ import annotations

import pytest

from sidecar.models.store.safe_names import is_safe


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("a.gguf", True),
        ("a/b c/ü.gguf", True),
        ("../a", False),
        ("a/../b", False),
        ("/a", False),
        ("a//b", False),
        ("a/", False),
        ("C:a", False),
        ("a\\b", False),
        ("a\0b", False),
        ("con.gguf", False),
        ("a/LPT1", False),
        ("a.", False),
        ("a ", False),
        (" a", False),
        ("a\nb", False),
        ("a?b", False),
        ("", False),
        (".", False),
        ("\ud800", False),
        ("x" * 201, False),
        ("/".join(["x" * 100] * 5), False),
    ],
)
def test_a_safe_path_stays_below_where_it_starts(path: str, safe: bool) -> None:
    assert is_safe(path) is safe
