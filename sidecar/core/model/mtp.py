"""Whether a model's file has a head that guesses the next tokens (MTP), and llama.cpp computes it."""

from __future__ import annotations

from typing import Final

from sidecar.core.model import memory_plan
from sidecar.message_handler.errors import SidecarError
from sidecar.models.gguf.header import Header

SINGLE: Final = frozenset(
    [
        "qwen35",
        "qwen35moe",
        "glm4moe",
        "glm-dsa",
        "deepseek2",
        "deepseek32",
        "deepseek4",
        "cohere2moe",
        "bailingmoe3",
        "nemotron_h_moe",
    ]
)
"""Architectures with one head. llama.cpp ends the process if a file has more (graph_mtp in src/models/).

qwen3next is none: llama.cpp computes its head, but cannot take tokens back from its recurrent state.
"""

CHAINED: Final = frozenset({"hy_v3", "mimo2", "step35"})
"""Those that may have several, each for one token more. The first is used."""


def check_head(path: str) -> None:
    """Raise SidecarError `unsuitableDraft` if there is no head, or llama.cpp cannot compute it."""
    header = memory_plan.read_header(path)
    cause = None if header is None else _misfit(header)  # llama.cpp says why it cannot be read
    if cause is not None:
        problem = f"/mtp: {path!r}: {cause}"
        raise SidecarError("unsuitableDraft", problem, pointer="/mtp", value=True, cause=cause)


def _misfit(header: Header) -> str | None:
    """Why the head cannot be used; None if it can."""
    heads = header.typed(f"{header.architecture}.nextn_predict_layers", int)
    if not heads or not any(".nextn.eh_proj." in tensor.name for tensor in header.tensors):
        return "the file has no head that guesses the next tokens"
    if header.architecture not in SINGLE | CHAINED:
        return f"llama.cpp cannot use the head of the architecture {header.architecture}"
    if heads != 1 and header.architecture in SINGLE:
        return f"it has {heads} heads; llama.cpp computes one of this architecture"
    try:
        from sidecar.core.llama import nextn  # noqa: F401  # only for models with a head
    except ImportError:
        return "this build of llama.cpp does not hand out the hidden states that a head reads"
    return None
