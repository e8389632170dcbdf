"""The grammar that a request asks for with `grammar`, `regex`, `jsonSchema`, `responseFormat` or `toolChoice`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.core.llama.bindings import lib
from sidecar.core.model.model import Model
from sidecar.core.model.sampler_cache import MAX_KEPT
from sidecar.core.structured_output import gbnf
from sidecar.core.structured_output.grammar_rules import GrammarError
from sidecar.message_handler._wire import DEFAULTS
from sidecar.message_handler.errors import SidecarError, conflicting_params

if TYPE_CHECKING:
    from sidecar.core.llama.c_api import SamplerPointer
    from sidecar.core.structured_output.json_schema import FinalCheck
    from sidecar.core.structured_output.llguidance_api import Matcher
    from sidecar.core.structured_output.llguidance_schema import Options
    from sidecar.message_handler._types import SamplingParams

MEMBERS: Final = ("grammar", "regex", "jsonSchema", "responseFormat")
"""Params that ask for a grammar. Each excludes the others."""

PLAIN_TEXT: Final = {"type": "text"}
"""The responseFormat that asks for no grammar."""


class Grammar(NamedTuple):
    """A checked grammar. Either llama.cpp enforces it, or a matcher."""

    pointer: str
    """JSON pointer of the param from which it is made."""
    gbnf: str = ""
    allows_control_tokens: bool = False
    """Whether control tokens may match a grammar in GBNF: it has `<token>` symbols."""
    matcher: Matcher | None = None
    """At the beginning of the text. Each request has its own."""
    check: FinalCheck | None = None
    """The check of the finished text."""
    ignored: tuple[str, ...] = ()
    """Words of the schema that no draft of JSON Schema knows."""


def grammar_of(model: Model, params: SamplingParams) -> Grammar | None:
    """The grammar that the params ask for; None if they ask for none.

    Raises SidecarError: `invalidParams` (params that exclude each other), `invalidGrammar`,
    `unsupportedSchema`, `unsatisfiableSchema`, `schemaTooComplex`.
    """
    asked = _asked(params)
    _check_combination(params, asked)
    if not asked:
        return None
    name = asked[0]
    if name == "grammar":
        if params.get("grammarSyntax") == "lark":
            from sidecar.core.structured_output import regex_and_lark

            return Grammar("/grammar", matcher=regex_and_lark.of_lark(model, params["grammar"]))
        return Grammar("/grammar", params["grammar"], _check(model, params["grammar"]))
    if name == "regex":
        from sidecar.core.structured_output import regex_and_lark

        return Grammar("/regex", matcher=regex_and_lark.of_regex(model, params["regex"]))
    schema, pointer = params.get("jsonSchema"), "/jsonSchema"
    if name == "responseFormat":
        response_format = params["responseFormat"]
        schema, pointer = {"type": "object"}, "/responseFormat"
        if response_format["type"] == "json_schema":
            schema, pointer = response_format["json_schema"]["schema"], "/responseFormat/json_schema/schema"
    from sidecar.core.structured_output import json_schema  # only for requests with a schema

    matcher, check, ignored = json_schema.enforced(model, schema, pointer, options_of(params))
    return Grammar(pointer, matcher=matcher, check=check, ignored=ignored)


def asks_for_grammar(params: SamplingParams) -> bool:
    """Whether the request asks for a grammar of its text."""
    return bool(_asked(params))


def _asked(params: SamplingParams) -> list[str]:
    return [name for name in MEMBERS if params.get(name, PLAIN_TEXT) != PLAIN_TEXT]


def options_of(params: SamplingParams) -> Options:
    """How the request wants its schema, or the parameters of its tools, to be taken."""
    from sidecar.core.structured_output.llguidance_schema import Options

    with_defaults = {**DEFAULTS["CompleteParams"], **params}
    return Options(
        checked=with_defaults["structure"] == "check",
        others=with_defaults["otherProperties"] == "allowed",
        on_one_line=with_defaults["jsonLayout"] == "line",
    )


def _check_combination(params: SamplingParams, asked: list[str]) -> None:
    """Refuse what excludes a grammar, or needs one. Raises SidecarError `invalidParams`."""
    for other in asked[1:]:
        raise conflicting_params(other, params.get(other), f"/{asked[0]}")
    if asked and params.get("ignoreEos"):
        raise conflicting_params("ignoreEos", True, f"/{asked[0]}")
    if asked and asked[0] in ("jsonSchema", "responseFormat") and params.get("stop"):
        raise conflicting_params("stop", params["stop"], f"/{asked[0]}")  # it would cut the JSON off


def make_sampler(model: Model, grammar: Grammar) -> SamplerPointer:
    """A new sampler of llama.cpp for a grammar in GBNF. The caller must free it.

    Raises SidecarError `invalidGrammar` if llama.cpp refuses the grammar.
    """

    def make() -> SamplerPointer:
        sampler = lib.llama_sampler_init_grammar(model.vocab, grammar.gbnf.encode(), b"root")
        if sampler:
            return sampler
        raise _invalid(grammar.gbnf, GrammarError("llama.cpp refuses this grammar", 0))

    sampler: SamplerPointer = model.samplers.clone(("grammar", grammar.gbnf), make)
    return sampler


@lru_cache(maxsize=MAX_KEPT)
def _check(model: Model, grammar: str) -> bool:
    """Returns whether the grammar has `<token>` symbols. Raises SidecarError `invalidGrammar`."""
    try:
        return gbnf.check(grammar, lambda text: len(model.tokenize(text, False, True)), True)
    except GrammarError as error:
        raise _invalid(grammar, error) from None


def _invalid(grammar: str, error: GrammarError) -> SidecarError:
    line, column = gbnf.line_and_column(grammar, error.offset)
    problem = f"/grammar, line {line}, column {column}: {error.problem}"
    return SidecarError(
        "invalidGrammar", problem, pointer="/grammar", line=line, column=column, cause=error.problem
    )
