"""`embed` and `rerank`: from params to texts as tokens, and from vectors to results."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sidecar.core.embedding.context import EmbeddingContext
from sidecar.core.embedding.request import TextsRequest, Vector
from sidecar.core.jobs import Job
from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.core.engine import Engine

MAX_NUMBERS: Final = 2 * 1024 * 1024
"""Numbers in one answer: what 2,048 texts come to in a large model; about 25 MB of JSON."""


def embed(engine: Engine, job: Job) -> None:
    context = _context(engine, job)
    if context.pooling == "rank":
        raise _unsuitable(context, "ranks: use rerank")
    texts = _texts(job.params["input"])
    tokens = []
    for index, text in enumerate(texts):
        job.check()
        pointer = "/input" if texts is not job.params["input"] else f"/input/{index}"
        if isinstance(text, str):
            text = context.model.tokenize(text, add_special=True, parse_special=True)
        else:
            context.model.check_tokens(text, pointer)
        _check_length(context, text, pointer)
        tokens.append(text)
    _check_answer(context, sum(map(len, tokens)) if context.pooling == "none" else len(tokens))
    request = TextsRequest(job, tokens, engine.writer, partial(_shape, job, context))
    engine.scheduler.submit(context, request)


def rerank(engine: Engine, job: Job) -> None:
    context = _context(engine, job)
    if context.pooling != "rank":
        raise _unsuitable(context, f"has the pooling {context.pooling!r}, rerank needs 'rank'")
    query, documents = job.params["query"], job.params["documents"]
    tokens = []
    for index, document in enumerate(documents):
        job.check()
        tokens.append(_pair(context.model, query, document))
        _check_length(context, tokens[-1], f"/documents/{index}")
    engine.scheduler.submit(context, TextsRequest(job, tokens, engine.writer, partial(_rank, job)))


# ---- in ------------------------------------------------------------------------------------------------


def _context(engine: Engine, job: Job) -> EmbeddingContext:
    context = engine.context(job.params["contextId"])
    if not isinstance(context, EmbeddingContext):
        raise SidecarError(
            "unsuitableContext",
            f"/contextId: {context.context_id} was created without embeddings",
            pointer="/contextId",
            value=context.context_id,
        )
    return context


def _unsuitable(context: EmbeddingContext, why: str) -> SidecarError:
    problem = f"/contextId: {context.context_id} {why}"
    return SidecarError("unsuitableContext", problem, pointer="/contextId", value=context.context_id)


def _texts(given: Any) -> list[Any]:
    """The texts of `input`: one text is a string or a list of numbers, all else is a list of texts."""
    one = isinstance(given, str) or isinstance(given[0], int)
    return [given] if one else given


def _pair(model: Model, query: str, document: str) -> list[int]:
    """A query and a document as one text: by the model's own template, or as llama-server joins them."""
    template = lib.llama_model_chat_template(model.handle, b"rerank")
    if template:
        parts = template.decode("utf-8", "replace").split("{query}")
        text = query.join(part.replace("{document}", document) for part in parts)
        return model.tokenize(text, add_special=False, parse_special=True)
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


# ---- out -----------------------------------------------------------------------------------------------


def _shape(job: Job, context: EmbeddingContext, texts: list[list[Vector]]) -> dict[str, Any]:
    options = {**DEFAULTS["EmbedParams"], **job.params}
    embeddings: list[Any] = []
    for vectors in texts:
        job.check()
        written = [_write(vector, options["normalize"], options["encodingFormat"]) for vector in vectors]
        embeddings.append(written if context.pooling == "none" else written[0])
    return {"embeddings": embeddings, "dimensions": context.dimensions}


def _write(vector: Vector, normalize: bool, encoding: str) -> Any:
    """A vector as it is told. Raises SidecarError `decodeFailed` if it has what is no number."""
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise SidecarError("decodeFailed", "The model put out what is no number", cause="not finite")
    if normalize and length > 0:
        vector = array("f", [number / length for number in vector])
    if encoding == "base64":
        if sys.byteorder == "big":
            vector.byteswap()
        return base64.b64encode(vector.tobytes()).decode("ascii")
    return [float(number) for number in ("%.9g " * len(vector) % tuple(vector)).split()]


def _rank(job: Job, texts: list[list[Vector]]) -> dict[str, Any]:
    scores = [vectors[0][0] for vectors in texts]
    if not all(map(math.isfinite, scores)):
        raise SidecarError("decodeFailed", "The model put out what is no number", cause="not finite")
    best = sorted(range(len(scores)), key=lambda index: -scores[index])[: job.params.get("topN")]
    return {"results": [{"index": index, "score": scores[index]} for index in best]}
