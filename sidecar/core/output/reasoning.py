"""How models mark the reasoning that comes before their answer."""

from __future__ import annotations

from typing import Final, NamedTuple

from sidecar.core.output.segments import Segment


class ReasoningMarks(NamedTuple):
    """The marks of one family of models."""

    start: str
    end: str
    closing: str
    """The text that ends the reasoning when it is forced to end."""
    others: tuple[tuple[str, Segment | None], ...] = ()
    """Further marks, and the segment that follows each. None: the text that follows is not shown."""
    plain: bool = True
    """The marks are plain text, so `start` counts only at the beginning of the answer."""

    @property
    def marks(self) -> list[str]:
        """All marks of the family."""
        return [self.start, self.end, *(mark for mark, _ in self.others)]


FAMILIES: Final = (
    ReasoningMarks(
        "<|channel|>analysis<|message|>",
        "<|channel|>final<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
        (
            ("<|channel|>commentary<|message|>", "text"),
            ("<|end|>", None),
            ("<|start|>assistant", None),
        ),
        plain=False,
    ),
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
