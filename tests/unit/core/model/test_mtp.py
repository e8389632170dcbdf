"""Which heads are refused before llama.cpp loads a model."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from sidecar.core.model import memory_plan
from sidecar.core.model.mtp import check_head
from sidecar.message_handler.errors import SidecarError

HEAD = SimpleNamespace(name="blk.2.nextn.eh_proj.weight")


def cause_of(monkeypatch: pytest.MonkeyPatch, architecture: str, heads: int | None = 1) -> str:
    header = SimpleNamespace(architecture=architecture, typed=lambda name, kind: heads, tensors=[HEAD])
    monkeypatch.setattr(memory_plan, "read_header", lambda path: header)
    with pytest.raises(SidecarError) as refused:
        check_head("model.gguf")
    assert (refused.value.kind, refused.value.details["pointer"]) == ("unsuitableDraft", "/mtp")
    return str(refused.value.details["cause"])


@pytest.mark.parametrize(
    ("architecture", "heads", "cause"),
    [
        ("glm4moe", None, "has no head"),
        ("glm4moe", 2, "2 heads"),
        ("llama", 1, "cannot use"),
        ("qwen3next", 1, "cannot use"),
    ],
)
def test_a_head_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, architecture: str, heads: int | None, cause: str
) -> None:
    assert cause in cause_of(monkeypatch, architecture, heads)


def test_a_build_without_hidden_states_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sidecar.core.llama.nextn", None)
    monkeypatch.delattr("sidecar.core.llama.nextn", raising=False)
    assert "does not hand out" in cause_of(monkeypatch, "glm4moe")
