"""From a conversation to the prompt that the model's chat template makes of it."""

from __future__ import annotations

import time
from typing import Any, Final, NoReturn

from sidecar.core.chat import messages, template, tool_prompt
from sidecar.core.chat.template import Renderer
from sidecar.core.chat.tool_grammar import call_grammar
from sidecar.core.jobs import Job
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.output import reasoning as thinking
from sidecar.core.output import tool_formats
from sidecar.core.output.reasoning import Thinking
from sidecar.core.output.reply import Reply
from sidecar.core.output.steering import Steering
from sidecar.core.output.tools import Tools
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

KEEP_THOUGHTS: Final = {
    "preserve_thinking": True,
    "clear_thinking": False,
    "truncate_history_thinking": False,
    "drop_thinking": False,
}
"""How templates are told to keep the reasoningContent of earlier turns; who leaves it out sends none."""


def conversation(model: Model, params: dict[str, Any], job: Job) -> tuple[list[int], Reply, Steering]:
    """What a chat generates with: the prompt's tokens, what takes the model's words, and how they are steered.

    Raises SidecarError: what `render` and Tools do.
    """
    choice = params.get("toolChoice", DEFAULTS["ChatParams"]["toolChoice"])
    known = Tools(params.get("tools", []), choice)
    if known.forced:  # its grammar has an end, must come to it, and is the only one
        for name in ("ignoreEos", "stop", "grammar", "jsonSchema", "responseFormat"):
            if params.get(name):
                _exclude(name, params[name], "toolChoice")
    prompt = render(model, params, job)
    source = _template(model, params)
    family = thinking.thinking_of(source) or _thinking_by_vocabulary(model)
    form = tool_formats.call_form(source) or tool_formats.HERMES
    calls = known if known.schemas and choice != "none" else None
    reply = Reply(family, form, calls)
    if family is not None and prompt.rstrip().endswith(family.start):
        reply.open_thought()
    marks = [*(family.marks if family is not None else ()), *(form.marks if calls is not None else ())]
    steering = Steering(
        shown=_control_tokens(model, marks),
        thought_budget=_thought_budget(params),
        thought_end=() if family is None else tuple(_tokens(model, family.closing)),
        grammar=call_grammar(form, known) if known.forced else None,
    )
    return tokenize_prompt(model, prompt), reply, steering


def _exclude(name: str, value: Any, beside: str) -> NoReturn:
    problem = f"/{name} cannot stand beside /{beside}"
    raise SidecarError("invalidParams", problem, pointer=f"/{name}", value=value, allowed=[])


def _thinking_by_vocabulary(model: Model) -> Thinking | None:
    """The family whose marks are tokens of their own."""
    for family in thinking.FAMILIES:
        if all(len(_tokens(model, mark)) == 1 for mark in (family.start, family.end)):
            return family
    return None


def _thought_budget(params: dict[str, Any]) -> int | None:
    reasoning = params.get("reasoning", True)
    if isinstance(reasoning, bool):
        return None if reasoning else 0
    budget: int = reasoning["budgetTokens"]
    return budget


def _control_tokens(model: Model, marks: list[str]) -> frozenset[int]:
    """Those of the marks' tokens that have no text of their own."""
    tokens = {token for mark in marks if mark for token in _tokens(model, mark)}
    return frozenset(token for token in tokens if not model.piece(token))


def _tokens(model: Model, text: str) -> list[int]:
    return model.tokenize(text, add_special=False, parse_special=True)


def _template(model: Model, params: dict[str, Any]) -> str:
    source = params.get("chatTemplate", model.chat_template)
    if source is None:
        raise SidecarError("noChatTemplate", f"{model.model_id} has no chat template")
    return str(source)


def render(model: Model, params: dict[str, Any], job: Job) -> str:
    """The prompt for TemplateParams, without the tokens that every prompt of the model begins and ends with.

    Raises SidecarError: `noChatTemplate`, `templateFailed`, `unsupportedContent`, `invalidParams`;
    `aborted` if the job is cancelled meanwhile.
    """
    _check(params)
    source = _template(model, params)
    if params.get("tools") and tool_formats.call_form(source) is None:
        described = tool_prompt.described(params["messages"], params["tools"])
        params = {**params, "messages": described, "tools": []}
    bos = model.token_text(lib.llama_vocab_bos(model.vocab))
    eos = model.token_text(lib.llama_vocab_eos(model.vocab))
    fixed = _variables(params, bos, eos)
    prompt = template.run(source, lambda renderer: _rendered(renderer, params, fixed), job)
    if lib.llama_vocab_get_add_bos(model.vocab):
        prompt = prompt.removeprefix(bos)
    if lib.llama_vocab_get_add_eos(model.vocab):
        prompt = prompt.removesuffix(eos)
    return prompt


def _check(params: dict[str, Any]) -> None:
    messages.check(params["messages"])
    last = params["messages"][-1]
    if not params.get("continueFinalMessage"):
        return
    if params.get("addGenerationPrompt"):
        _exclude("continueFinalMessage", True, "addGenerationPrompt")
    if last["role"] != "assistant" or last.get("toolCalls"):
        pointer = "/continueFinalMessage"
        problem = f"{pointer} wants a last message of the assistant, without toolCalls"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=True, allowed=[False])


def _variables(params: dict[str, Any], bos: str, eos: str) -> dict[str, Any]:
    """The template's variables but for the messages, named as llama-server names them."""
    variables = {
        "bos_token": bos,
        "eos_token": eos,
        "enable_thinking": params.get("reasoning") is not False,
        "date_string": time.strftime("%d %b %Y"),
        "datetime": time.strftime("%b %d %Y"),
        **KEEP_THOUGHTS,
        **params.get("templateVariables", {}),
    }
    if params.get("tools"):
        variables["tools"] = params["tools"]
    return variables


def _rendered(renderer: Renderer, params: dict[str, Any], fixed: dict[str, Any]) -> str:
    turns, continued = params["messages"], params.get("continueFinalMessage", False)
    if continued:  # all that the template writes after what was said is cut off
        last = turns[-1]
        said = messages.text(last["content"] or "")
        turns = [*turns[:-1], {**last, "content": said + messages.PROBE}]
    variables = {**fixed, "messages": messages.for_template(turns, renderer, fixed)}
    default = not continued and DEFAULTS["ApplyTemplateParams"]["addGenerationPrompt"]
    if params.get("addGenerationPrompt", default):
        variables["add_generation_prompt"] = True
    prompt = renderer.render(variables)
    if not continued:
        return prompt
    before, mark, _ = prompt.rpartition(messages.PROBE)
    if not mark:
        raise ValueError("it leaves out the message that is to be continued")
    return before


def tokenize_prompt(model: Model, prompt: str) -> list[int]:
    """Tokens of a rendered prompt."""
    return model.tokenize(prompt, add_special=True, parse_special=True)
