"""How much a model may think before it answers: a request's effort, in the words of the chat template.

Some templates turn reasoning on and off, some know words for how much, some a number of tokens. Which words a
template knows is found out by rendering a small conversation with each. What no word can say, a limit of tokens does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.chat.support import PROBE
from sidecar.message_handler.errors import conflicting_params

if TYPE_CHECKING:
    from sidecar.core.chat.rendering.template import Template
    from sidecar.message_handler._types import Message, TemplateParams

NONE: Final = "none"
LEVELS: Final = ("minimal", "low", "medium", "high", "max")
TOKENS: Final = {NONE: 0, "minimal": 128, "low": 512, "medium": 2048, "high": 8192}
"""Most tokens of the reasoning for a level that the template has no word for."""

SWITCHES: Final[dict[str, tuple[object, object]]] = {
    "enable_thinking": (False, True),
    "thinking": (False, True),
    "thinking_mode": ("disabled", "enabled"),
}
"""Variables that turn reasoning off and on."""

WORDS: Final = ("reasoning_effort", "thinking_effort", "reasoning_strength")
"""Variables that take a word for how much to think."""

NO_WORDS: Final = (NONE, "no_think")
"""What templates call no reasoning."""

LEARNT: Final = ("low", "medium", "high")
"""The words that models know whose template writes any word."""

BUDGET: Final = "thinking_budget"
"""The variable that takes a number of tokens."""

COMMANDS: Final = ("/no_think", "/nothink")
"""Words in a message of the user that some templates look for, in order to turn reasoning off."""


class Effort(NamedTuple):
    """What a request may think, for one template."""

    level: str = ""
    """The level that the template knows; empty if the request names none."""
    tokens: int | None = None
    """Most tokens of the reasoning. None: no limit."""
    variables: tuple[tuple[str, object], ...] = ()
    """Variables of the template, by name."""
    command: str = ""
    """What the last message of the user ends with."""


def check_effort(params: TemplateParams) -> None:
    """Check what the schema cannot express. Raises SidecarError `invalidParams`."""
    reasoning = params.get("reasoning", True)
    if isinstance(reasoning, dict) and reasoning.get("effort") == NONE and len(reasoning) > 1:
        raise conflicting_params("reasoning/effort", NONE, "a budget", list(LEVELS))


def effort_of(params: TemplateParams, template: Template) -> Effort:
    """The effort of a request. Only the work of a template's thread may call this."""
    reasoning = params.get("reasoning", True)
    options = reasoning if isinstance(reasoning, dict) else {}
    level = options.get("effort", "") if reasoning is not False else NONE
    if level not in template.efforts:
        template.efforts[level] = _known(level, template) if level else Effort()
    known: Effort = template.efforts[level]
    known = known._replace(tokens=options.get("budgetTokens", known.tokens))
    if known.tokens is not None and BUDGET in template.reads:
        known = known._replace(variables=(*known.variables, (BUDGET, known.tokens)))
    return known


def commanded(turns: list[Message], command: str) -> list[Message]:
    """The conversation with a command at the end of the user's last message."""
    users = [index for index, turn in enumerate(turns) if turn["role"] == "user"]
    if not command or not users:
        return turns
    turn = turns[users[-1]]
    content = turn["content"]
    said = (
        [*content, {"type": "text", "text": command}] if isinstance(content, list) else f"{content} {command}"
    )
    return [*turns[: users[-1]], {**turn, "content": said}, *turns[users[-1] + 1 :]]  # type: ignore[typeddict-item]


def _known(level: str, template: Template) -> Effort:
    """What of a level the template knows, and the limit for the rest."""
    on = level != NONE
    switched = {name: values[on] for name, values in SWITCHES.items() if name in template.reads}
    for name in WORDS:
        word = _word(level, name, switched, template) if name in template.reads else ""
        if word:
            told = word if on else level
            return Effort(told, None if on else 0, (*switched.items(), (name, word)))
    command = "" if on or switched else _command(template)
    return Effort(level, TOKENS.get(level), tuple(switched.items()), command)


def _word(level: str, name: str, switched: dict[str, object], template: Template) -> str:
    """The template's word for a level, or for the next higher one that it knows. Empty: it has none of its own."""
    unknown = _rendered(template, {**switched, name: PROBE})
    if unknown is not None and PROBE in unknown:
        return _next(level, LEARNT)
    prompts = {word: _rendered(template, {**switched, name: word}) for word in (*NO_WORDS, *LEVELS)}
    if unknown is None:  # it refuses words that it does not know
        words = [word for word, prompt in prompts.items() if prompt is not None]
        return (
            next((word for word in words if word in NO_WORDS), "") if level == NONE else _next(level, words)
        )
    words = [word for word, prompt in prompts.items() if prompt not in (None, unknown)]
    if level == NONE:
        return words[0] if words else ""
    return level if level in words else ""


def _next(level: str, words: tuple[str, ...] | list[str]) -> str:
    """The first of these levels that is not below `level`, or else the last."""
    ranks = (NONE, *LEVELS)
    known = [word for word in words if word in LEVELS]
    higher = [word for word in known if ranks.index(word) >= ranks.index(level)]
    return (higher or known[-1:] or [""])[0]


def _command(template: Template) -> str:
    """The command that the template takes out of the user's message; empty if it knows none."""
    for command in COMMANDS:
        if command in template.source:
            prompt = _rendered(template, {}, f"{PROBE} {command}")
            if prompt is not None and PROBE in prompt and command not in prompt:
                return command
    return ""


def _rendered(template: Template, variables: dict[str, object], said: str = "Hi") -> str | None:
    """The prompt of a small conversation; None if the template refuses a variable."""
    messages = [{"role": "user", "content": said}]
    ends = {"bos_token": "", "eos_token": ""}
    try:
        return template.render({**ends, **variables, "messages": messages, "add_generation_prompt": True})
    except Exception:  # a template may refuse what it does not know
        return None
