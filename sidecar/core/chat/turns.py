"""Other ways to write the same conversation, for templates that lose a text of the given one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

from sidecar.core.chat.messages import as_text
from sidecar.core.chat.tool_prompt import without_calls, written_calls

if TYPE_CHECKING:
    from sidecar.core.output.calls.call_forms import CallForm
    from sidecar.message_handler._types import Message

    Turns = list[Message]
    Way = Callable[[Turns], Turns]

SYSTEM: Final = ("system", "developer")
BETWEEN: Final = "\n\n"
"""Between the texts of joined messages."""


def ways(form: CallForm, system_role: bool) -> Iterator[tuple[Way, bool]]:
    """Ways to write a conversation, and whether calls become what the assistant says; what changes least comes first.

    `form`: how the model writes calls.
    """
    first = _as_given if system_role else systems_as_user
    calls: tuple[tuple[Way, bool], ...] = (
        (_as_given, False),
        (_calls_apart, False),
        (_calls_one_by_one, False),
        (partial(written_calls, form=form), True),
        (without_calls, True),
    )
    joins = (_as_given, _systems_joined, _neighbours_joined, _with_first_user, _systems_first)
    for (write, in_words), join in product(calls, joins):
        yield partial(_in_order, steps=(first, write, join)), in_words


def _in_order(turns: Turns, steps: tuple[Way, ...]) -> Turns:
    for step in steps:
        turns = step(turns)
    return turns


def _as_given(turns: Turns) -> Turns:
    return turns


def systems_as_user(turns: Turns) -> Turns:
    """For a template without a system role: the user says its texts, in their next message or in one of their own."""
    written: Turns = []
    texts: list[str] = []
    for turn in turns:
        if turn["role"] in SYSTEM:
            texts.append(as_text(turn["content"]))
            continue
        if texts and turn["role"] == "user":
            turn = {**turn, "content": f"{BETWEEN.join(texts)}\n{as_text(turn['content'])}"}
        elif texts:
            written.append({"role": "user", "content": BETWEEN.join(texts)})
        written.append(turn)
        texts = []
    return [*written, {"role": "user", "content": BETWEEN.join(texts)}] if texts else written


def _calls_apart(turns: Turns) -> Turns:
    """What the assistant says before calls becomes a message of its own."""
    written: Turns = []
    for turn in turns:
        if turn.get("toolCalls") and as_text(turn["content"]):
            said: Message = {**turn}
            del said["toolCalls"]
            written.append(said)
            turn = {"role": "assistant", "content": None, "toolCalls": turn["toolCalls"]}
        written.append(turn)
    return written


def _calls_one_by_one(turns: Turns) -> Turns:
    """Several calls become messages of their own, each with its answer behind it."""
    written: Turns = []
    waiting: Turns = []
    for turn in _calls_apart(turns):
        if waiting and turn["role"] == "tool":
            given = turn.get("toolCallId")
            own = [call for call in waiting if call["toolCalls"][0].get("id") == given]
            call = (own or waiting)[0]
            waiting.remove(call)
            written += [call, turn]
            continue
        written += waiting
        waiting = [{**turn, "toolCalls": [call]} for call in turn.get("toolCalls", [])]
        if not waiting:
            written.append(turn)
    return [*written, *waiting]


def _systems_joined(turns: Turns) -> Turns:
    return _joined(turns, SYSTEM)


def _neighbours_joined(turns: Turns) -> Turns:
    return _joined(turns, (*SYSTEM, "user", "assistant"))


def _with_first_user(turns: Turns) -> Turns:
    """For a template in which the user begins: if the assistant does, an empty message of the user comes first."""
    turns = _neighbours_joined(turns)
    first = 1 if turns[0]["role"] in SYSTEM else 0
    if [turn["role"] for turn in turns[first : first + 1]] != ["assistant"]:
        return turns
    return [*turns[:first], {"role": "user", "content": ""}, *turns[first:]]


def _systems_first(turns: Turns) -> Turns:
    """For a template that drops a late system message: all of them become one at the beginning."""
    return _with_first_user(sorted(turns, key=lambda turn: turn["role"] not in SYSTEM))


def _joined(turns: Turns, roles: tuple[str, ...]) -> Turns:
    """Neighbours of the same role become one message, for these roles."""
    joined: Turns = []
    for turn in turns:
        if joined and turn["role"] in roles and _may_join(joined[-1], turn):
            texts = (as_text(joined[-1]["content"]), as_text(turn["content"]))
            joined[-1] = {**joined[-1], "content": BETWEEN.join(filter(None, texts))}
        else:
            joined.append(turn)
    return joined


def _may_join(one: Message, other: Message) -> bool:
    same = one["role"] == other["role"] or (one["role"] in SYSTEM and other["role"] in SYSTEM)
    members = ("toolCalls", "reasoningContent")
    bare = not any(turn.get(member) for turn in (one, other) for member in members)
    return same and bare and one.get("name") == other.get("name")
