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
    sign: str = ""
    """A text that the family's chat templates contain; empty: `end`."""

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
    ReasoningMarks("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", "\n[BEGIN FINAL RESPONSE]\n"),
    ReasoningMarks("<mm:think>", "</mm:think>", "</mm:think>"),
    ReasoningMarks(
        "<think:opensource>", "</think:opensource>", "</think:opensource>", sign="'</think{}>'.format(HYTK)"
    ),
    ReasoningMarks(
        "<|open|>think<|sep|>",
        "<|close|>think<|sep|>",
        "<|close|>think<|sep|><|open|>response<|sep|>",
        sign="open_tag('think')",
    ),
    ReasoningMarks(
        "to=self<|message|>",
        "<|eom|>",
        "<|eom|><|start|>assistant to=user<|message|>",
        sign="assistant to=self",
    ),
    ReasoningMarks("<|think|>", "<|end|>", "<|end|><|begin|>assistant<|content|>", sign="assistant<|think|>"),
)


def reasoning_marks(template: str) -> ReasoningMarks | None:
    """The marks that a chat template contains; None if it has none."""
    return next((family for family in FAMILIES if (family.sign or family.end) in template), None)
