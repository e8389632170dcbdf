"""Writes a conversation so that the chat template at hand loses no text and gives none to another role.

Templates differ: some keep only one system message, some want user and assistant to alternate, some leave out
calls. We find out by rendering a conversation of the same shape whose texts are marks, once for each shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sidecar.core.chat.effort import SWITCHES, WORDS
from sidecar.core.chat.messages import as_text, for_template
from sidecar.core.chat.rendering.template import Template
from sidecar.core.chat.support import PROBE_KEY, PROBE_TOOL, Support
from sidecar.core.chat.turns import SYSTEM, ways
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.chat.turns import Turns, Way
    from sidecar.core.output.calls.call_forms import CallForm
    from sidecar.message_handler._types import Message

MAX_PLANS: Final = 256
"""How many shapes of conversations are remembered for each template."""

MAX_REPEATS: Final = 3
"""How often a shape repeats the same turns. Further ones are like these."""

LONGEST_REPEAT: Final = 4
"""Most turns that are looked at together as what repeats: question, call, tool's answer, answer."""

KEPT: Final = ("kept", "beside calls")
"""Outcomes with which a conversation can be had. `beside calls`: only what is said beside calls is lost."""

_MARK: Final = re.compile(r"qz(text|call)(\d+)(?:x\d+)?zq")


class TurnShape(NamedTuple):
    """What a template may look at in a message, besides its texts."""

    role: str
    in_parts: bool
    says: bool
    """It has text."""
    calls: int
    """2: more than one."""
    has_ids: bool
    """Its calls have ids."""
    thinks: bool
    answers: bool
    """It has a toolCallId."""
    named: bool


Shape = tuple[TurnShape, ...]


class Plan(NamedTuple):
    """What to do with conversations of one shape."""

    way: Way
    lost: int | None = None
    """The message that the template loses, however it is written, counted in the shape."""
    kept: bool = False
    """The template keeps all."""


def arranged(turns: Turns, template: Template, variables: dict[str, object], form: CallForm) -> Turns:
    """The conversation as the template keeps it. `variables`: the template's others; `form`: of the model's calls.

    Raises SidecarError `templateFailed` if the template loses a message however it is written.
    """
    if not Support(template, variables).turns():
        return turns
    shapes = [_shape(turn) for turn in turns]
    kept = _without_repeats(shapes)
    shape = tuple(shapes[index] for index in kept)
    thinking = repr([variables.get(name) for name in (*SWITCHES, *WORDS)])
    key = (shape, "tools" in variables, thinking, tuple(variables))
    plan: Plan | None = template.plans.get(key)
    if plan is None:
        if len(template.plans) >= MAX_PLANS:
            template.plans.clear()
        plan = template.plans[key] = _plan(shape, template, variables, form)
    if plan.lost is None:
        return plan.way(turns)
    pointer, role = f"/messages/{kept[plan.lost]}", shape[plan.lost].role
    cause = f"it leaves out a message of the role {role} there, or lets another role say it"
    problem = f"{pointer}: the chat template has no place for the role {role} here; move the text to another message"
    raise SidecarError("templateFailed", problem, pointer=pointer, value=role, cause=cause)


def _shape(turn: Message) -> TurnShape:
    content = turn["content"]
    return TurnShape(
        turn["role"],
        in_parts=isinstance(content, list),
        says=bool(as_text(content).strip()),
        calls=min(len(turn.get("toolCalls", [])), 2),
        has_ids=any("id" in call for call in turn.get("toolCalls", [])),
        thinks=bool(turn.get("reasoningContent")),
        answers="toolCallId" in turn,
        named="name" in turn,
    )


def _without_repeats(shapes: list[TurnShape]) -> list[int]:
    """The positions that are left if turns repeat MAX_REPEATS times at most."""
    left = list(range(len(shapes)))
    for length in range(1, LONGEST_REPEAT + 1):
        fewer: list[int] = []
        for position in left:
            fewer.append(position)
            tail = [shapes[index] for index in fewer[-length * (MAX_REPEATS + 1) :]]
            if tail == tail[:length] * (MAX_REPEATS + 1):
                del fewer[-length:]
        left = fewer
    return left


# ---- marks ---------------------------------------------------------------------------------------------


def _marked(shape: Shape) -> Turns:
    """A conversation of this shape. Each text, and each call's argument, names its message."""
    turns: Turns = []
    unanswered: list[str] = []
    for index, turn in enumerate(shape):
        text = _text_mark(index) if turn.says else ""
        message: Any = {"role": turn.role, "content": text}  # a Message; its role is any of them
        if turn.in_parts:
            message["content"] = [{"type": "text", "text": text}]
        if turn.calls:
            unanswered = [f"q{index:05}{number:03}" for number in range(turn.calls)]
            calls = [_marked_call(_call_mark(index, number)) for number in range(turn.calls)]
            if turn.has_ids:
                calls = [{**call, "id": call_id} for call, call_id in zip(calls, unanswered, strict=True)]
            message["toolCalls"] = calls
        if turn.thinks:
            message["reasoningContent"] = "Hm."
        if turn.answers:
            message["toolCallId"] = unanswered.pop(0) if unanswered else "q00000000"
        if turn.named:
            message["name"] = PROBE_TOOL["function"]["name"]
        turns.append(message)
    return turns


def _marked_call(mark: str) -> dict[str, object]:
    function = {"name": PROBE_TOOL["function"]["name"], "arguments": {PROBE_KEY: mark}}
    return {"type": "function", "function": function}


def _text_mark(index: int) -> str:
    return f"qztext{index}zq"


def _call_mark(index: int, number: int) -> str:
    return f"qzcall{index}x{number}zq"


def _plan(shape: Shape, template: Template, variables: dict[str, object], form: CallForm) -> Plan:
    """The first way to write a conversation of this shape in which the template keeps all of it."""
    if "tools" in variables:
        variables = {**variables, "tools": [PROBE_TOOL]}
    given = _marked(shape)
    plans: dict[str, Plan] = {}
    """Outcome → the first way that had it."""
    tried: list[Turns] = []
    for way, in_words in ways(form, Support(template, variables).system_role()):
        turns = way(given)
        if turns in tried:
            continue
        tried.append(turns)
        if in_words and "beside calls" in plans:
            break  # the template leaves out what is said beside calls, as its model has learnt it
        outcome, lost = _outcome(shape, turns, template, variables)
        plans.setdefault(outcome, Plan(way, lost, outcome in KEPT))
        if outcome == "kept":
            break
    for outcome in KEPT:
        if outcome in plans:
            return plans[outcome]
    plan = plans.get("refused") or plans["lost"]
    late = [index for index, turn in enumerate(shape) if turn.role in SYSTEM and _is_late(shape, index)]
    if late and _plan(tuple(t for n, t in enumerate(shape) if n not in late), template, variables, form).kept:
        return plan._replace(lost=late[0])
    return plan


def _is_late(shape: Shape, index: int) -> bool:
    """Whether a message comes after one of a role that is not system."""
    return any(turn.role not in SYSTEM for turn in shape[:index])


def _outcome(
    shape: Shape, turns: Turns, template: Template, variables: dict[str, object]
) -> tuple[str, int | None]:
    """What the template does with marked turns: keeps them, refuses them, or loses one, and which."""

    def render(turns: Turns) -> str | None:
        try:
            return template.render({**variables, "messages": for_template(turns, template, variables)})
        except Exception:  # a template may refuse what it does not support
            return None

    prompt = render(turns)
    if prompt is None:
        return "refused", None
    found = {mark[0] for mark in _MARK.finditer(prompt)}
    silent = [index for index, turn in enumerate(shape) if turn.says and _text_mark(index) not in found]
    lost = [index for index in silent if not shape[index].calls]
    for index, turn in enumerate(shape):
        lost += [index for number in range(turn.calls) if _call_mark(index, number) not in found]
    if Support(template, variables).turn_marks():
        lost += _without_turn(shape, prompt, str(variables.get("bos_token", "")))
    for index, written in enumerate(turns):
        if written["role"] in SYSTEM and render(_said_by_assistant(turns, index)) == prompt:
            lost += [int(mark[2]) for mark in _MARK.finditer(as_text(written["content"]))]
    if lost:
        return "lost", min(lost)
    return ("beside calls" if silent else "kept"), None


def _without_turn(shape: Shape, prompt: str, bos: str) -> Iterator[int]:
    """Messages that share a turn with the assistant's: nothing but white space stands between their texts."""
    before, end = "", 0
    for mark in _MARK.finditer(prompt):
        between = prompt[end : mark.start()].removeprefix(bos).strip()
        role = shape[int(mark[2])].role
        if mark[1] == "text" and not between and role != before and "assistant" in (role, before):
            yield int(mark[2])
        before, end = role, mark.end()


def _said_by_assistant(turns: Turns, index: int) -> Turns:
    """The turns if the assistant said the text of this one."""
    said: Message = {"role": "assistant", "content": turns[index]["content"]}
    return [*turns[:index], said, *turns[index + 1 :]]
