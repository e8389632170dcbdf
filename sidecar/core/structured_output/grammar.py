"""What a request's text is held to: the grammar of its `grammar`, `jsonSchema`, `responseFormat` or `toolChoice`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.model.sampler_cache import MAX_KEPT
from sidecar.core.structured_output import gbnf
from sidecar.core.structured_output.grammar_rules import GrammarError
from sidecar.core.structured_output.json_schema import json_grammar
from sidecar.core.structured_output.schema_keywords import SUPPORTED, Unsatisfiable, Unsupported
from sidecar.message_handler.errors import SidecarError, conflicting_params

MEMBERS: Final = ("grammar", "jsonSchema", "responseFormat")
"""Params that hold the text to something. Each excludes the others."""


class Grammar(NamedTuple):
    """A grammar that was checked."""

    text: str
    speaks_of_tokens: bool
    """Whether control tokens may be meant: it has `<token>` in it, or the marks around a call."""
    pointer: str = "/grammar"
    """The member of the params that it is made of."""


def grammar_of(model: Model, params: dict[str, Any]) -> Grammar | None:
    """The grammar that the params ask for, if they ask for one.

    Raises SidecarError: `invalidParams` (options that exclude each other), `invalidGrammar`,
    `unsupportedSchema`, `unsatisfiableSchema`.
    """
    asked = [name for name in MEMBERS if name in params and params[name] != {"type": "text"}]
    if not asked:
        return None
    name = asked[0]
    for other in asked[1:]:
        raise conflicting_params(other, params[other], f"/{name}")
    if params.get("ignoreEos"):
        raise conflicting_params("ignoreEos", True, f"/{name}")
    if name == "grammar":
        return Grammar(params[name], _check(model, params[name]))
    if params.get("stop"):  # it would cut the JSON off, and call that the end
        raise conflicting_params("stop", params["stop"], f"/{name}")
    if name == "jsonSchema":
        return of_schema(params[name], "/jsonSchema")
    response_format = params[name]
    if response_format["type"] == "json_object":
        return of_schema({"type": "object"}, "/responseFormat")
    return of_schema(response_format["json_schema"]["schema"], "/responseFormat/json_schema/schema")


def of_schema(schema: Any, pointer: str) -> Grammar:
    """The grammar of the JSON that satisfies a schema, which stands at `pointer` in the params.

    Raises SidecarError `unsupportedSchema`, `unsatisfiableSchema`.
    """
    return _of_schema(json.dumps(schema), pointer)


def make_sampler(model: Model, grammar: Grammar) -> Any:
    """llama.cpp's sampler of a checked grammar, the caller's own."""

    def make() -> Any:
        sampler = lib.llama_sampler_init_grammar(model.vocab, grammar.text.encode(), b"root")
        if sampler:
            return sampler
        if grammar.pointer == "/grammar":
            raise _invalid(grammar.text, GrammarError("llama.cpp cannot follow this grammar", 0))
        problem = f"{grammar.pointer}: llama.cpp takes no grammar of this size"
        raise SidecarError("invalidParams", problem, pointer=grammar.pointer)

    return model.samplers.clone(("grammar", grammar.text), make)


@lru_cache(maxsize=MAX_KEPT)
def _check(model: Model, grammar: str) -> bool:
    """Raise SidecarError `invalidGrammar`; returns whether the grammar speaks of tokens."""
    try:
        return gbnf.check(grammar, lambda text: len(model.tokenize(text, False, True)))
    except GrammarError as error:
        raise _invalid(grammar, error) from None


@lru_cache(maxsize=MAX_KEPT)
def _of_schema(schema: str, pointer: str) -> Grammar:
    """The grammar of a schema, which is given as JSON text: a key that can be compared."""
    try:
        grammar = json_grammar(json.loads(schema), pointer)
    except Unsupported as error:
        problem = f"{error.pointer}: {error.problem}"
        raise SidecarError(
            "unsupportedSchema",
            problem,
            pointer=error.pointer,
            value=error.keyword,
            allowed=sorted(SUPPORTED),
        ) from None
    except Unsatisfiable as error:
        raise _unsatisfiable(error.pointer, "no value satisfies it") from None
    try:
        gbnf.check(grammar, lambda _: 0)
    except GrammarError as error:  # what only shows in the whole: references that lead round in circles
        raise _unsatisfiable(pointer, error.problem) from None
    return Grammar(grammar, False, pointer)


def _unsatisfiable(pointer: str, cause: str) -> SidecarError:
    return SidecarError("unsatisfiableSchema", f"{pointer}: {cause}", pointer=pointer, cause=cause)


def _invalid(grammar: str, error: GrammarError) -> SidecarError:
    line, column = gbnf.line_and_column(grammar, error.offset)
    problem = f"/grammar, line {line}, column {column}: {error.problem}"
    return SidecarError(
        "invalidGrammar", problem, pointer="/grammar", line=line, column=column, cause=error.problem
    )
