"""The grammar that a request asks for with `grammar`, `jsonSchema`, `responseFormat` or `toolChoice`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.model.sampler_cache import MAX_KEPT
from sidecar.core.structured_output import gbnf
from sidecar.core.structured_output.grammar_rules import GrammarError
from sidecar.core.structured_output.json_schema import json_grammar
from sidecar.core.structured_output.schema_keywords import SUPPORTED, Unsatisfiable, Unsupported
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer
    from sidecar.message_handler._types import SamplingParams

MEMBERS: Final = ("grammar", "jsonSchema", "responseFormat")
"""Params that ask for a grammar. Each excludes the others."""

PLAIN_TEXT: Final = {"type": "text"}
"""The responseFormat that asks for no grammar."""


class Grammar(NamedTuple):
    """A checked grammar."""

    text: str
    allows_control_tokens: bool
    """Whether control tokens may match: the grammar has `<token>` symbols, or the marks around a call."""
    pointer: str = "/grammar"
    """JSON pointer of the param from which it is made."""


def grammar_of(model: Model, params: SamplingParams) -> Grammar | None:
    """The grammar that the params ask for; None if they ask for none.

    Raises SidecarError: `invalidParams` (params that exclude each other), `invalidGrammar`,
    `unsupportedSchema`, `unsatisfiableSchema`.
    """
    asked = [name for name in MEMBERS if params.get(name, PLAIN_TEXT) != PLAIN_TEXT]
    if not asked:
        return None
    name = asked[0]
    for other in asked[1:]:
        raise conflicting_params(other, params.get(other), f"/{name}")
    if params.get("ignoreEos"):
        raise conflicting_params("ignoreEos", True, f"/{name}")
    if name == "grammar":
        return Grammar(params["grammar"], _check(model, params["grammar"]))
    if params.get("stop"):  # it would cut the JSON off and report a normal end
        raise conflicting_params("stop", params["stop"], f"/{name}")
    if name == "jsonSchema":
        return of_schema(params["jsonSchema"], "/jsonSchema")
    response_format = params["responseFormat"]
    if response_format["type"] != "json_schema":
        return of_schema({"type": "object"}, "/responseFormat")
    return of_schema(response_format["json_schema"]["schema"], "/responseFormat/json_schema/schema")


def of_schema(schema: object, pointer: str) -> Grammar:
    """The grammar of the JSON that satisfies a schema. `pointer` is the schema's JSON pointer in the params.

    Raises SidecarError `unsupportedSchema`, `unsatisfiableSchema`.
    """
    return _of_schema(json.dumps(schema), pointer)


def make_sampler(model: Model, grammar: Grammar) -> SamplerPointer:
    """A new sampler of llama.cpp for a grammar. The caller must free it.

    Raises SidecarError `invalidGrammar`, `invalidParams` if llama.cpp refuses the grammar.
    """

    def make() -> SamplerPointer:
        sampler = lib.llama_sampler_init_grammar(model.vocab, grammar.text.encode(), b"root")
        if sampler:
            return sampler
        if grammar.pointer == "/grammar":
            raise _invalid(grammar.text, GrammarError("llama.cpp refuses this grammar", 0))
        problem = f"{grammar.pointer}: llama.cpp refuses a grammar of this size"
        raise SidecarError("invalidParams", problem, pointer=grammar.pointer)

    sampler: SamplerPointer = model.samplers.clone(("grammar", grammar.text), make)
    return sampler


@lru_cache(maxsize=MAX_KEPT)
def _check(model: Model, grammar: str) -> bool:
    """Returns whether the grammar has `<token>` symbols. Raises SidecarError `invalidGrammar`."""
    try:
        return gbnf.check(grammar, lambda text: len(model.tokenize(text, False, True)), True)
    except GrammarError as error:
        raise _invalid(grammar, error) from None


@lru_cache(maxsize=MAX_KEPT)
def _of_schema(schema: str, pointer: str) -> Grammar:
    """`of_schema` for a schema as JSON text, which can be a key of the cache."""
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
    except GrammarError as error:  # circular references are visible only in the whole grammar
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
