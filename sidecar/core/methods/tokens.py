"""`tokenize`, `detokenize`, `applyTemplate` and `countTokens`: they compute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.chat import prompt
from sidecar.core.methods import contexts

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.message_handler._types import (
        ApplyTemplateResult,
        CountTokensParams,
        CountTokensResult,
        DetokenizeParams,
        DetokenizeResult,
        TokenizeParams,
        TokenizeResult,
    )


def tokenize(engine: Engine, job: Job) -> TokenizeResult:
    """Answer `tokenize`."""
    params: TokenizeParams = job.params
    add_special, parse_special = params.get("addSpecial", False), params.get("parseSpecial", False)
    return {"tokens": engine.the_model().tokenize(params["text"], add_special, parse_special)}


def detokenize(engine: Engine, job: Job) -> DetokenizeResult:
    """Answer `detokenize`."""
    params: DetokenizeParams = job.params
    return {"text": engine.the_model().detokenize(params["tokens"])}


def apply_template(engine: Engine, job: Job) -> ApplyTemplateResult:
    """Answer `applyTemplate`."""
    return {"prompt": prompt.tokenized(engine.the_model(), job.params, job)[0]}


def count_tokens(engine: Engine, job: Job) -> CountTokensResult:
    """Answer `countTokens`."""
    params: CountTokensParams = job.params
    if "contextId" not in params:
        return {"tokens": len(prompt.tokenized(engine.the_model(), job.params, job)[1])}
    context = contexts.generating(engine, params["contextId"])
    return {"tokens": len(prompt.tokenized(context.model, job.params, job)[1]), "contextSize": context.size}
