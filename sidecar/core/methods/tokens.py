"""`tokenize`, `detokenize` and `applyTemplate`: they need a model, but no context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.core.chat import prompt

if TYPE_CHECKING:
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.message_handler._types import (
        ApplyTemplateResult,
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
