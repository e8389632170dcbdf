"""File names that every system can store."""

from __future__ import annotations

import pytest

from sidecar.models.store.safe_names import is_safe
from sidecar.models.store.store import is_ours


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
        ("e\u0301.gguf", True),
        ("模型：版.gguf", True),
        ("\uff0e\uff0e/a.gguf", True),  # full-width: no system takes them for dots
        ("a/model\u202efugg.exe", False),
        ("a/mo\u200bdel.gguf", False),
        ("a/\ufeffmodel.gguf", False),
        ("a\u2028b", False),
        ("a\x85b", False),
        ("a\x7fb", False),
        ("model.gguf:stream", False),
        ("model.gguf::$DATA", False),
        ("a.gguf. .", False),
        ("a/NUL .gguf", False),
        ("Com¹.gguf", False),
        ("CONIN$", False),
        ("conin.gguf", True),
        ("a/aux.b.gguf", False),
        ("x" * 201, False),
        ("/".join(["x" * 100] * 5), False),
    ],
)
def test_a_safe_path_stays_below_where_it_starts(path: str, safe: bool) -> None:
    assert is_safe(path) is safe


@pytest.mark.parametrize(
    "name", [".llama-sidecar", ".LLAMA-Sidecar", ".llama-\u017fidecar", ".ｌlama-sidecar"]
)
def test_the_folder_of_our_own_state_is_nobodys(name: str) -> None:
    """Also under names that macOS and Windows take for the same."""
    assert is_ours("llama-sidecar/a.gguf")
    assert not is_ours(f"{name}/a.gguf")
