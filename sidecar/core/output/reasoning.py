"""How models mark the reasoning that comes before their answer."""

from __future__ import annotations

from typing import Final, NamedTuple


class ReasoningMarks(NamedTuple):
    """The marks of one family of models. `start` counts only at the beginning of the answer."""

    start: str
    end: str
    closing: str
    """The text that ends the reasoning when it is forced to end."""
    others: tuple[str, ...] = ()
    """Further marks."""

    @property
    def marks(self) -> list[str]:
        """All marks of the family."""
        return [self.start, self.end, *self.others]


HARMONY: Final = ReasoningMarks(
    "<|channel|>analysis<|message|>",
    "<|channel|>final<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    ("<|start|>", "<|end|>", "<|constrain|>", "<|call|>", "<|return|>"),
)
"""Channels, which `harmony` splits."""

FAMILIES: Final = (
    HARMONY,
    ReasoningMarks("<think>", "</think>", "\n</think>\n\n"),
    ReasoningMarks("[THINK]", "[/THINK]", "[/THINK]"),
    ReasoningMarks("<seed:think>", "</seed:think>", "</seed:think>"),
    ReasoningMarks("<|START_THINKING|>", "<|END_THINKING|>", "<|END_THINKING|>"),
    ReasoningMarks("<|inner_prefix|>", "<|inner_suffix|>", "<|inner_suffix|>"),
    ReasoningMarks("<|channel>thought", "<channel|>", "\n<channel|>"),
)


def reasoning_marks(template: str) -> ReasoningMarks | None:
    """The marks that a chat template contains; None if it has none."""
    return next((family for family in FAMILIES if family.end in template), None)
