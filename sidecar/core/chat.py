"""From a conversation to the prompt that the model's chat template makes of it."""

from __future__ import annotations

import time
from typing import Any, Final

from sidecar.core import messages, template
from sidecar.core.bindings import lib
from sidecar.core.jobs import Job
from sidecar.core.model import Model
from sidecar.core.template import Renderer
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

KEEP_THOUGHTS: Final = {
    "preserve_thinking": True,
    "clear_thinking": False,
    "truncate_history_thinking": False,
    "drop_thinking": False,
}
"""How templates are told to keep the reasoningContent of earlier turns; who leaves it out sends none."""


def render(model: Model, params: dict[str, Any], job: Job) -> str:
    """The prompt for TemplateParams, without the tokens that every prompt of the model begins and ends with.

    Raises SidecarError: `noChatTemplate`, `templateFailed`, `unsupportedContent`, `invalidParams`;
    `aborted` if the job is cancelled meanwhile.
    """
    _check(params)
    source = params.get("chatTemplate", model.chat_template)
    if source is None:
        raise SidecarError("noChatTemplate", f"{model.model_id} has no chat template")
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
    problem = None
    if last["role"] != "assistant" or last.get("toolCalls"):
        problem = "wants a last message of the assistant, without toolCalls"
    elif params.get("addGenerationPrompt"):
        problem = "cannot stand beside /addGenerationPrompt"
    if problem is not None:
        pointer = "/continueFinalMessage"
        raise SidecarError(
            "invalidParams", f"{pointer} {problem}", pointer=pointer, value=True, allowed=[False]
        )


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
    conversation, continued = params["messages"], params.get("continueFinalMessage", False)
    if continued:  # all that the template writes after what was said is cut off
        last = conversation[-1]
        said = messages.text(last["content"] or "")
        conversation = [*conversation[:-1], {**last, "content": said + messages.PROBE}]
    variables = {**fixed, "messages": messages.for_template(conversation, renderer, fixed)}
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
