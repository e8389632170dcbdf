"""`embed` and `rerank`: from params to texts as tokens, and from vectors to results."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from functools import partial
from typing import TYPE_CHECKING, Final

from sidecar.core.chat import inert_text
from sidecar.core.embedding.request import TextsRequest, Vector
from sidecar.core.llama.bindings import lib
from sidecar.core.methods import contexts
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from typing import TypeAlias

    from sidecar.core.embedding.embedding_context import EmbeddingContext
    from sidecar.core.engine import Engine
    from sidecar.core.jobs import Job
    from sidecar.core.model.model import Model
    from sidecar.message_handler._types import EmbedParams, RankedDocument, RerankParams

    WrittenVector: TypeAlias = list[float] | str

MAX_NUMBERS: Final = 2 * 1024 * 1024
"""Limit of one answer, in numbers: 2,048 texts with a large model, or about 25 MB of JSON."""


def embed(engine: Engine, job: Job) -> None:
    """Begin an `embed`."""
    params: EmbedParams = job.params
    context = contexts.embedding(engine, params["contextId"])
    if context.pooling == "rank":
        raise contexts.unsuitable(context, "has the pooling 'rank': use rerank")
    given = params["input"]
    if isinstance(given, str) or isinstance(given[0], int):
        texts, pointers = [given], ["/input"]
    else:
        texts, pointers = given, [f"/input/{index}" for index in range(len(given))]
    tokens = []
    for text, pointer in zip(texts, pointers, strict=True):
        job.check()
        tokens.append(_tokens(context, text, pointer))
    _check_answer(context, sum(map(len, tokens)) if context.pooling == "none" else len(tokens))
    request = TextsRequest(job, tokens, engine.writer, partial(_embeddings, job, context))
    engine.scheduler.submit(context, request)


def rerank(engine: Engine, job: Job) -> None:
    """Begin a `rerank`."""
    params: RerankParams = job.params
    context = contexts.embedding(engine, params["contextId"])
    if context.pooling != "rank":
        raise contexts.unsuitable(context, f"has the pooling {context.pooling!r}, rerank needs 'rank'")
    tokens = []
    for index, document in enumerate(params["documents"]):
        job.check()
        tokens.append(_pair(context.model, params["query"], document))
        _check_length(context, tokens[-1], f"/documents/{index}")
    engine.scheduler.submit(context, TextsRequest(job, tokens, engine.writer, partial(_ranking, job)))


# ---- params to tokens --------------------------------------------------------------------------------


def _tokens(context: EmbeddingContext, text: str | list[int], pointer: str) -> list[int]:
    """A text as tokens. Raises SidecarError `invalidToken`, `emptyPrompt`, `promptTooLong`."""
    if isinstance(text, str):
        text = context.model.tokenize(text, add_special=True, parse_special=True)
    else:
        context.model.check_tokens(text, pointer)
    _check_length(context, text, pointer)
    return text


def _pair(model: Model, query: str, document: str) -> list[int]:
    """A query and a document as one text: by the model's own template, or joined as llama-server does.

    Names of control tokens in them are text.
    """
    template = lib.llama_model_chat_template(model.handle, b"rerank")
    if template:
        source = template.decode("utf-8", "replace")

        def render(change: inert_text.Change | None) -> str:
            asked, answer = map(change, (query, document)) if change is not None else (query, document)
            return asked.join(part.replace("{document}", answer) for part in source.split("{query}"))

        given = inert_text.PromptParts(source, [query, document], render, model.tokenize, has_ends=False)
        return inert_text.prompt(model, given)[1]
    vocab = model.vocab
    end, separator = lib.llama_vocab_eos(vocab), lib.llama_vocab_sep(vocab)
    ends = [end if end >= 0 else separator] if lib.llama_vocab_get_add_eos(vocab) else []
    separators = [separator] if lib.llama_vocab_get_add_sep(vocab) else []
    begin = [lib.llama_vocab_bos(vocab)] if lib.llama_vocab_get_add_bos(vocab) else []
    first, second = (model.tokenize(text, False, False) for text in (query, document))
    joined = [*begin, *first, *ends, *separators, *second, *ends]
    return [token for token in joined if token >= 0]


def _check_length(context: EmbeddingContext, tokens: list[int], pointer: str) -> None:
    if not tokens:
        raise SidecarError("emptyPrompt", f"{pointer}: the text has no tokens", pointer=pointer)
    if len(tokens) > context.size:
        problem = (
            f"{pointer}: it has {len(tokens)} tokens, a text of {context.context_id} may have {context.size}"
        )
        allowed = {"maximum": context.size}
        raise SidecarError("promptTooLong", problem, pointer=pointer, value=len(tokens), allowed=allowed)


def _check_answer(context: EmbeddingContext, vectors: int) -> None:
    numbers = vectors * context.dimensions
    if numbers > MAX_NUMBERS:
        problem = f"/input: the answer would have {numbers} numbers; send fewer texts at once"
        allowed = {"maximum": MAX_NUMBERS}
        raise SidecarError("overloaded", problem, pointer="/input", value=numbers, allowed=allowed)


# ---- vectors to results ------------------------------------------------------------------------------


def _embeddings(job: Job, context: EmbeddingContext, texts: list[list[Vector]]) -> dict[str, object]:
    """The members of embed's result: one vector per text, or with the pooling "none" one per token."""
    defaults = DEFAULTS["EmbedParams"]
    normalize = bool(job.params.get("normalize", defaults["normalize"]))
    encoding = job.params.get("encodingFormat", defaults["encodingFormat"])
    embeddings: list[WrittenVector | list[WrittenVector]] = []
    for vectors in texts:
        job.check()
        written = [_write(vector, normalize, encoding) for vector in vectors]
        embeddings.append(written if context.pooling == "none" else written[0])
    return {"embeddings": embeddings, "dimensions": context.dimensions}


def _write(vector: Vector, normalize: bool, encoding: str) -> WrittenVector:
    """A vector as JSON has it. Raises SidecarError `decodeFailed` if a number is infinite or NaN."""
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise _not_finite()
    if normalize and length > 0:
        vector = array("f", [number / length for number in vector])
    if encoding == "base64":
        if sys.byteorder == "big":
            vector.byteswap()
        return base64.b64encode(vector.tobytes()).decode("ascii")
    return [float(number) for number in ("%.9g " * len(vector) % tuple(vector)).split()]


def _ranking(job: Job, texts: list[list[Vector]]) -> dict[str, object]:
    """The members of rerank's result, the best document first. Raises SidecarError `decodeFailed`."""
    scores = [vectors[0][0] for vectors in texts]
    if not all(map(math.isfinite, scores)):
        raise _not_finite()
    best = sorted(range(len(scores)), key=lambda index: -scores[index])[: job.params.get("topN")]
    results: list[RankedDocument] = [{"index": index, "score": scores[index]} for index in best]
    return {"results": results}


def _not_finite() -> SidecarError:
    return SidecarError("decodeFailed", "The model computed a number that is not finite", cause="not finite")
