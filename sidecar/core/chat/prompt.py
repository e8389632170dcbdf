"""From a conversation to the prompt that the model's chat template makes of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sidecar.core.chat import messages, template
from sidecar.core.chat.template import Template
from sidecar.core.chat.tool_grammar import call_grammar
from sidecar.core.chat.tool_prompt import add_tool_prompt
from sidecar.core.jobs import Job
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.output import tool_formats
from sidecar.core.output.reasoning import FAMILIES, ReasoningMarks, reasoning_marks
from sidecar.core.output.reply import Reply
from sidecar.core.output.steering import Steering
from sidecar.core.output.tools import Tools, plain
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.message_handler._types import ChatParams, TemplateParams

KEEP_REASONING: Final = {
    "preserve_thinking": True,
    "clear_thinking": False,
    "truncate_history_thinking": False,
    "drop_thinking": False,
}
"""Variables that make templates keep the reasoningContent of earlier turns. To drop it, do not send it."""


def conversation(model: Model, params: ChatParams, job: Job) -> tuple[list[int], Reply, Steering]:
    """The prompt's tokens, the output that splits what the model says, and how the generation is steered.

    Raises SidecarError as `render` and `Tools` do.
    """
    choice = params.get("toolChoice", str(DEFAULTS["ChatParams"]["toolChoice"]))
    tools = Tools(params.get("tools", []), choice, job.warn)
    if tools.forced:  # the grammar of a forced call must be the only one, and it must reach its end
        for name in ("ignoreEos", "stop", "grammar", "jsonSchema", "responseFormat"):
            value = params.get(name)
            if value:
                raise conflicting_params(name, value, "/toolChoice")
    prompt = render(model, params, job)
    source = _template_source(model, params)
    reasoning = reasoning_marks(source) or _marks_by_vocabulary(model)
    form = tool_formats.call_form(source) or tool_formats.HERMES
    callable_tools = tools if tools.schemas and choice != "none" else None
    reply = Reply(reasoning, form, callable_tools)
    if reasoning is not None and prompt.rstrip().endswith(reasoning.start):
        reply.begin_reasoning()
    marks = [
        *(reasoning.marks if reasoning is not None else ()),
        *(form.marks if callable_tools is not None else ()),
    ]
    steering = Steering(
        visible_tokens=_control_tokens(model, marks),
        reasoning_budget=_reasoning_budget(params),
        reasoning_end=() if reasoning is None else tuple(_tokens(model, reasoning.closing)),
        grammar=call_grammar(form, tools) if tools.forced else None,
    )
    return tokenize_prompt(model, prompt), reply, steering


def _marks_by_vocabulary(model: Model) -> ReasoningMarks | None:
    """The family whose marks are single tokens of the model."""
    for family in FAMILIES:
        if all(len(_tokens(model, mark)) == 1 for mark in (family.start, family.end)):
            return family
    return None


def _reasoning_budget(params: ChatParams) -> int | None:
    reasoning = params.get("reasoning", True)
    if isinstance(reasoning, bool):
        return None if reasoning else 0
    return reasoning["budgetTokens"]


def _control_tokens(model: Model, marks: list[str]) -> frozenset[int]:
    """The tokens of the marks that have no text of their own."""
    tokens = {token for mark in marks if mark for token in _tokens(model, mark)}
    return frozenset(token for token in tokens if not model.piece(token))


def _tokens(model: Model, text: str) -> list[int]:
    return model.tokenize(text, add_special=False, parse_special=True)


def _template_source(model: Model, params: TemplateParams) -> str:
    source = params.get("chatTemplate", model.chat_template)
    if source is None:
        raise SidecarError("noChatTemplate", f"{model.model_id} has no chat template")
    return source


def render(model: Model, params: TemplateParams, job: Job) -> str:
    """The prompt of a conversation, without the tokens that the tokenizer adds at its start and end.

    Raises SidecarError: `noChatTemplate`, `templateFailed`, `unsupportedContent`, `invalidParams`;
    `aborted` if the job is cancelled meanwhile.
    """
    _check(params)
    source, turns = _template_source(model, params), params["messages"]
    tools = plain(params.get("tools", []))
    if tools and tool_formats.call_form(source) is None:
        turns, tools = add_tool_prompt(turns, tools), []
    bos = model.token_text(lib.llama_vocab_bos(model.vocab))
    eos = model.token_text(lib.llama_vocab_eos(model.vocab))
    variables = _variables(params, bos, eos)
    if tools:
        variables["tools"] = tools
    changed: TemplateParams = {**params, "messages": turns}
    prompt = template.run(source, lambda compiled: _render_messages(compiled, changed, variables), job)
    if lib.llama_vocab_get_add_bos(model.vocab):
        prompt = prompt.removeprefix(bos)
    if lib.llama_vocab_get_add_eos(model.vocab):
        prompt = prompt.removesuffix(eos)
    return prompt


def _check(params: TemplateParams) -> None:
    messages.check(params["messages"])
    last = params["messages"][-1]
    if not params.get("continueFinalMessage"):
        return
    if params.get("addGenerationPrompt"):
        raise conflicting_params("continueFinalMessage", True, "/addGenerationPrompt")
    if last["role"] != "assistant" or last.get("toolCalls"):
        pointer = "/continueFinalMessage"
        problem = f"{pointer} needs a last message of the assistant without toolCalls"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=True, allowed=[False])


def _variables(params: TemplateParams, bos: str, eos: str) -> dict[str, object]:
    """The template's variables except messages and tools, with llama-server's names."""
    return {
        "bos_token": bos,
        "eos_token": eos,
        "enable_thinking": params.get("reasoning") is not False,
        "date_string": time.strftime("%d %b %Y"),
        "datetime": time.strftime("%b %d %Y"),
        **KEEP_REASONING,
        **params.get("templateVariables", {}),
    }


def _render_messages(compiled: Template, params: TemplateParams, variables: dict[str, object]) -> str:
    turns, continued = params["messages"], params.get("continueFinalMessage", False)
    if continued:  # a probe ends the last message; the prompt ends where the template writes the probe
        last = turns[-1]
        turns = [*turns[:-1], {**last, "content": messages.as_text(last["content"]) + messages.PROBE}]
    variables = {**variables, "messages": messages.for_template(turns, compiled, variables)}
    default = not continued and DEFAULTS["ApplyTemplateParams"]["addGenerationPrompt"]
    if params.get("addGenerationPrompt", default):
        variables["add_generation_prompt"] = True
    prompt = compiled.render(variables)
    if not continued:
        return prompt
    before, probe, _ = prompt.rpartition(messages.PROBE)
    if not probe:
        raise ValueError("it leaves out the message that is to be continued")
    return before


def tokenize_prompt(model: Model, prompt: str) -> list[int]:
    """The tokens of a rendered prompt."""
    return model.tokenize(prompt, add_special=True, parse_special=True)
