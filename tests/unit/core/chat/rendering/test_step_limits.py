"""No single step of a template makes something large: nothing could stop it."""

from __future__ import annotations

import pytest

from sidecar.core.chat.rendering import step_limits
from sidecar.core.chat.rendering.sandbox import environment

TOO_LARGE = {
    "width": '{{ "x"|center(10**9) }}',
    "width by method": '{{ "x".ljust(n) }}',
    "width by name": '{{ "x".expandtabs(tabsize=n) }}',
    "indentation": '{{ "a\nb"|indent(n) }}',
    "indentation of JSON": "{{ [1]|tojson(indent=n) }}",
    "batch": "{{ [1]|batch(n, 0)|list|length }}",
    "format": '{{ "%0999999999d" % 1 }}',
    "format by argument": '{{ "%*d" % (n, 1) }}',
    "format by filter": '{{ "%0999999999d"|format(1) }}',
    "format by method": '{{ "{:0999999999d}".format(1) }}',
    "replacement": '{{ ("a" * 1000000)|replace("a", "b" * 1000) }}',
    "replacement by method": '{{ ("a" * 1000000).replace("", "b" * 1000) }}',
    "joined": '{{ (["a" * 1000000] * 1000)|join }}',
    "joined by method": '{{ "".join(["a" * 1000000] * 1000) }}',
    "one list many times": "{% set a = [1] * 1000000 %}{{ [a, a, a, a, a, a, a, a, a]|tojson|length }}",
    "one list many times, written": "{% set a = [1] * 1000000 %}{{ [a, a, a, a, a, a, a, a, a] }}",
    "one list many times, as text": "{% set a = [1] * 1000000 %}{{ [a, a, a, a, a, a, a, a, a]|string|length }}",
    "two lists": "{% set a = [1] * 300000 %}{{ (a + a)|length }}",
    "filler": "{{ lipsum(100000, false) }}",
    "tabs": '{{ ("\t" * 1000000).expandtabs(1000000) }}',
    "bytes of a number": '{{ (1).to_bytes(n, "big") }}',
    "bytes": '{{ "x".encode().ljust(n) }}',
    "format of bytes": '{{ "%0999999999d".encode() % 1 }}',
    "nested format": '{{ "{:{}}".format(1, n) }}',
    "nested format by name": '{{ "{a:{w}}".format_map({"a": 1, "w": n}) }}',
    "precision below zero": "{{ 5|round(-n) }}",
    "precision": '{{ 5|round(n, "ceil") }}',
    "iterator joined": '{{ "".join((["a" * 1000000] * 1000)|map("string")) }}',
    "iterator joined by filter": '{{ (["a" * 1000000] * 1000)|map("string")|join }}',
    "translated": '{% set a = "a" * 1000000 %}{{ a.translate(a.maketrans({"a": a})) }}',
    "indentation by a text": '{{ ("a\n" * 1000)|indent("a" * 1000000) }}',
    "wrapped with a text": '{{ ("a" * 1000000)|wordwrap(1, wrapstring="a" * 1000000) }}',
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_a_step_that_makes_too_much_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_limits, "MAX_CHARS", 500_000)  # so that the lists are found soon
    from jinja2 import UndefinedError

    template = environment().from_string(TOO_LARGE[case])
    with pytest.raises((OverflowError, UndefinedError)):
        template.render(n=2_000_000_000)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ('{{ "x"|center(5) }}', "  x  "),
        ('{{ "%05.2f|%s" % (1.5, "a") }}', "01.50|a"),
        ('{{ "{:>4}".format("a") }}', "   a"),
        ('{{ "aXb"|replace("X", "-") }}', "a-b"),
        ('{{ "aXbX".replace("X", "", 1) }}', "abX"),
        ('{{ [1, "b", none]|join(", ") }}', "1, b, None"),
        ('{{ ", ".join(["a", "b"]) }}', "a, b"),
        ('{{ ", ".join(["a", "b"]|map("upper")) }}', "A, B"),
        ('{{ ["a", "b"]|map("upper")|join(", ") }}', "A, B"),
        ('{{ "{:>{w}}".format(1, w=3) }}{{ 2.567|round(1) }}', "  12.6"),
        ('{{ "a\nb"|indent(">", true) }}', ">a\n>b"),
        ('{{ "ab".translate("".maketrans({"a": "xy"})) }}', "xyb"),
        ('{{ {"a": [1, {"b": [2]}]} }}', "{'a': [1, {'b': [2]}]}"),
        ('{{ {"a": [1]}|tojson(indent=1) }}', '{\n "a": [\n  1\n ]\n}'),
        (
            "{% macro m(context, given) %}{{ context + given }}{% endmacro %}{{ m(context=1, given=2000000) }}",
            "2000001",
        ),
        ("{{ 1700000000|default(1700000000) }}", "1700000000"),
    ],
)
def test_usual_steps_are_as_in_jinja(source: str, output: str) -> None:
    assert environment().from_string(source).render() == output
