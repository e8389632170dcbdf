"""From a conversation to the prompt that the model's chat template makes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.chat import inert_text, messages, untrusted_texts
from sidecar.core.chat.effort import NONE, Effort, check_effort, commanded, effort_of
from sidecar.core.chat.lost_messages import arranged
from sidecar.core.chat.optional_calls import optional_calls
from sidecar.core.chat.rendering import template
from sidecar.core.chat.rendering.template import Template
from sidecar.core.chat.support import PROBE, Support
from sidecar.core.chat.tool_grammar import call_grammar
from sidecar.core.chat.tool_prompt import add_tool_prompt
from sidecar.core.context.sequence import shared_length
from sidecar.core.jobs import Job
from sidecar.core.llama.bindings import lib
from sidecar.core.media import prompt_media
from sidecar.core.model.model import Model
from sidecar.core.output.calls import call_forms
from sidecar.core.output.calls.tools import Tools, plain
from sidecar.core.output.message_headers import headers_of
from sidecar.core.output.output_constraints import OutputConstraints
from sidecar.core.output.reasoning import FAMILIES, ReasoningMarks, reasoning_marks
from sidecar.core.output.reply import Reply
from sidecar.core.structured_output.grammar import asks_for_grammar, options_of
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.core.media.prompt_media import PromptMedia
    from sidecar.message_handler._types import ChatParams, Message, TemplateParams

KEEP_REASONING: Final = {
    "preserve_thinking": True,
    "clear_thinking": False,
    "truncate_history_thinking": False,
    "drop_thinking": False,
}
"""Variables that make templates keep the reasoningContent of earlier turns. To drop it, do not send it."""


class Conversation(NamedTuple):
    """What `chat` generates from."""

    tokens: list[int]
    """The prompt."""
    reply: Reply
    """The output that splits what the model says."""
    constraints: OutputConstraints
    media: PromptMedia | None
    """The pictures and sounds in the prompt."""


def conversation(model: Model, params: ChatParams, job: Job) -> Conversation:
    """What `chat` makes of its params.

    Raises SidecarError as `render` and `Tools` do.
    """
    choice = params.get("toolChoice", str(DEFAULTS["ChatParams"]["toolChoice"]))
    tools = Tools(params.get("tools", []), choice, job.warn)
    if tools.forced:  # the grammar of a forced call must be the only one, and it must reach its end
        for name in ("ignoreEos", "stop", "grammar", "regex", "jsonSchema", "responseFormat"):
            value = params.get(name)
            if value:
                raise conflicting_params(name, value, "/toolChoice")
    rendering = _Rendering(model, params, job)
    prompt, prompt_tokens = rendering.prompt()
    reasoning = reasoning_marks(rendering.source) or _marks_by_vocabulary(model)
    form = rendering.form
    callable_tools = tools if tools.schemas and choice != "none" else None
    headers = headers_of(rendering.source)
    reply = Reply(reasoning, form, callable_tools, headers, _told(rendering, reasoning, params, job))
    opened = bool(headers.opened) and prompt.endswith(headers.opened)
    if opened:
        reply.feed(headers.opened)
    if reasoning is not None and prompt.rstrip().endswith(reasoning.start):
        reply.begin_reasoning()
    marks = [
        *(reasoning.marks if reasoning is not None else ()),
        *(form.marks if callable_tools is not None else ()),
        *headers.of_tools(list(tools.schemas)),
    ]
    grammar = calls = None
    if tools.forced:
        grammar = call_grammar(model, form._replace(start="") if opened else form, tools, options_of(params))
    elif callable_tools is not None and not asks_for_grammar(params):
        calls = optional_calls(model, form, tools, options_of(params), job.warn)
    end = () if reasoning is None else tuple(_tokens(model, reasoning.closing))
    constraints = OutputConstraints(
        visible_tokens=_control_tokens(model, marks),
        reasoning_budget=rendering.effort.tokens,
        reasoning_end=end,
        at_budget=(*_budget_message(model, params), *end),
        grammar=grammar,
        calls=calls,
        system_end=_system_end(model, params["messages"], prompt, prompt_tokens),
    )
    return Conversation(prompt_tokens, reply, constraints, rendering.media)


def _system_end(model: Model, turns: Sequence[Message], prompt: str, tokens: list[int]) -> int:
    """How many tokens there are before the first message that is not the system's; 0 if it is not found."""
    if not model.cannot_go_back:
        return 0
    begin = 0
    for turn in turns:
        text = messages.first_text(turn.get("content")).strip()
        at = prompt.find(text, begin)
        if not text or at < 0:
            return 0
        if turn["role"] not in ("system", "developer"):
            return shared_length(model.prompt_tokens(prompt[:at]), tokens) if begin else 0
        begin = at + len(text)
    return 0


def _marks_by_vocabulary(model: Model) -> ReasoningMarks | None:
    """The family whose marks are single tokens of the model."""
    for family in FAMILIES:
        if all(len(_tokens(model, mark)) == 1 for mark in (family.start, family.end)):
            return family
    return None


def _told(
    rendering: _Rendering, reasoning: ReasoningMarks | None, params: ChatParams, job: Job
) -> dict[str, object]:
    """What the result says of the effort that the request names."""
    options = params.get("reasoning")
    if not isinstance(options, dict) or "effort" not in options:
        return {}
    if reasoning is not None or options["effort"] == NONE:
        return {"reasoningEffort": rendering.effort.level}
    job.warn(f"The effort {options['effort']!r} has no effect: the model cannot reason")
    return {"reasoningEffort": None}


def _budget_message(model: Model, params: ChatParams) -> list[int]:
    """The tokens of the text that ends reasoning whose budget is used up."""
    reasoning = params.get("reasoning")
    text = reasoning.get("budgetMessage", "") if isinstance(reasoning, dict) else ""
    return model.tokenize(text, add_special=False, parse_special=False) if text else []


def _control_tokens(model: Model, marks: list[str]) -> frozenset[int]:
    """The tokens of the marks that have no text of their own."""
    tokens = {token for mark in marks if mark for token in _tokens(model, mark)}
    return frozenset(token for token in tokens if not model.piece(token))


def _tokens(model: Model, text: str) -> list[int]:
    return model.tokenize(text, add_special=False, parse_special=True)


def tokenized(model: Model, params: TemplateParams, job: Job) -> tuple[str, list[int]]:
    """The prompt of a conversation, without the BOS and EOS that the tokenizer adds, and its tokens.

    Raises SidecarError: `noChatTemplate`, `templateFailed`, `unsupportedContent`, `invalidParams`;
    `aborted` if the job is cancelled meanwhile.
    """
    return _Rendering(model, params, job).prompt()


class _Rendering:
    """How one conversation becomes a prompt."""

    def __init__(self, model: Model, params: TemplateParams, job: Job) -> None:
        _check(params)
        source = params.get("chatTemplate", model.chat_template)
        if source is None:
            raise SidecarError("noChatTemplate", f"{model.model_id} has no chat template")
        self.source = source
        self.form = call_forms.call_form(source) or call_forms.HERMES
        """How the model writes calls. It is known after the rendering, like the effort."""
        self.effort = Effort()
        self.media = prompt_media.of(model.encoder, params["messages"], model.media_directories)
        self._model = model
        self._params: TemplateParams = (
            params if self.media is None else {**params, "messages": self.media.messages}
        )
        self._job = job

    def prompt(self) -> tuple[str, list[int]]:
        """The prompt and its tokens; see `tokenized`."""
        try:
            texts = untrusted_texts.texts(self._params)
            prompt, tokens = inert_text.prompt(
                self._model, inert_text.PromptParts(self.source, texts, self.text, self._tokenize)
            )
        except RecursionError:
            raise template.failed("a value in the params is nested too deeply") from None
        if self.media is not None:
            self.media.check(prompt)
            prompt = self.media.shown(prompt)
        return prompt, tokens

    def _tokenize(self, text: str, add_special: bool, parse_special: bool) -> list[int]:
        if self.media is None:
            return self._model.tokenize(text, add_special, parse_special)
        tokens = self.media.tokens(text, lambda part: self._model.tokenize(part, False, parse_special))
        return inert_text.with_ends(self._model, tokens) if add_special else tokens

    def text(self, change: untrusted_texts.Change | None = None) -> str:
        """The template's output, with a change to each text that is not the template's."""
        params = self._params if change is None else untrusted_texts.with_change(self._params, change)
        return template.run(self.source, lambda compiled: self._render(compiled, params), self._job)

    def _render(self, compiled: Template, params: TemplateParams) -> str:
        self.effort = effort_of(params, compiled)
        turns, tools = commanded(params["messages"], self.effort.command), plain(params.get("tools", []))
        variables = _variables(params, self.effort, *map(self._model.token_text, _ends(self._model)))
        known = call_forms.call_form(self.source) is not None
        if tools and known and Support(compiled, variables).takes(tools):
            variables["tools"] = tools
        elif tools:
            turns, self.form = add_tool_prompt(turns, tools), call_forms.HERMES
        turns = arranged(turns, compiled, variables, self.form)
        continued = params.get("continueFinalMessage", False)
        if continued:  # a probe ends the last message; the prompt ends where the template writes the probe
            last = turns[-1]
            turns = [*turns[:-1], {**last, "content": messages.as_text(last["content"]) + PROBE}]
        variables["messages"] = messages.for_template(turns, compiled, variables)
        default = not continued and DEFAULTS["ApplyTemplateParams"]["addGenerationPrompt"]
        if params.get("addGenerationPrompt", default):
            variables["add_generation_prompt"] = True
        prompt = compiled.render(variables)
        if not continued:
            return prompt
        before, probe, _ = prompt.rpartition(PROBE)
        if not probe:
            raise ValueError("it leaves out the message that is to be continued")
        return before


def _ends(model: Model) -> tuple[int, int]:
    """The tokens BOS and EOS of the model."""
    return lib.llama_vocab_bos(model.vocab), lib.llama_vocab_eos(model.vocab)


def _check(params: TemplateParams) -> None:
    messages.check(params["messages"])
    check_effort(params)
    last = params["messages"][-1]
    if not params.get("continueFinalMessage"):
        return
    if params.get("addGenerationPrompt"):
        raise conflicting_params("continueFinalMessage", True, "/addGenerationPrompt")
    if last["role"] != "assistant" or last.get("toolCalls"):
        pointer = "/continueFinalMessage"
        problem = f"{pointer} needs a last message of the assistant without toolCalls"
        raise SidecarError("invalidParams", problem, pointer=pointer, value=True, allowed=[False])


def _variables(params: TemplateParams, effort: Effort, bos: str, eos: str) -> dict[str, object]:
    """The template's variables except messages and tools, with llama-server's names."""
    return {
        "bos_token": bos,
        "eos_token": eos,
        "enable_thinking": effort.level != NONE,
        "date_string": time.strftime("%d %b %Y"),
        "datetime": time.strftime("%b %d %Y"),
        "functions": "",  # firefunction's tools, which are described to it as to other models
        **KEEP_REASONING,
        **dict(effort.variables),
        **params.get("templateVariables", {}),
    }
