"""The published ways out of Jinja2's sandbox lead nowhere."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from jinja2 import TemplateError

from sidecar.core.chat.rendering.sandbox import environment, fixed

VARIABLES: dict[str, object] = {
    "messages": [{"role": "user", "content": "{0.__class__.__init__.__globals__}"}],
    "tools": None,
    "add_generation_prompt": True,
    "bos_token": "<s>",
}
REACHED = (
    "<module",
    "<class",
    "<built-in",
    "<code",
    "<frame",
    "<generator",
    "__builtins__",
    "root:",
    "environ(",
)
"""What a template writes that has reached more than its variables."""

REACH = "{0.__class__.__mro__[1].__subclasses__}"


@pytest.mark.parametrize(
    "template",
    [
        # Attributes, spelled in every way.
        "{{ raise_exception.__globals__ }}",
        "{{ raise_exception['__globals__']['os'].popen('id').read() }}",
        "{{ raise_exception|attr('__globals__') }}",
        "{{ raise_exception|attr('__glo' ~ 'bals__') }}",
        "{{ raise_exception|attr('\\x5f\\x5fglobals\\x5f\\x5f') }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ joiner.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ namespace(a=1)._Namespace__attrs }}",
        "{{ namespace|attr('__init__')|attr('__globals__') }}",
        "{{ dict.__base__.__subclasses__() }}",
        "{{ dict|attr('mro') }}",
        "{{ range.__class__ }}",
        "{{ raise_exception.__code__ }}",
        "{{ raise_exception.__builtins__ }}",
        "{{ strftime_now.__self__ }}",
        "{{ strftime_now|attr('__self__') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ self._TemplateReference__context.environment }}",
        "{{ loop.__class__ }}{% for a in [1] %}{{ loop._iterable }}{{ loop.__init__.__globals__ }}{% endfor %}",
        "{% macro f() %}{% endmacro %}{{ f._environment }}{{ f._func.__globals__ }}",
        "{% macro f() %}{{ caller.__globals__ }}{{ caller._func.gi_frame }}{% endmacro %}{% call f() %}{% endcall %}",
        "{{ none.__class__ }}",
        "{{ undefined_name.__class__ }}",
        "{{ messages.__class__ }}",
        "{{ messages[0]['__class__'] }}",
        "{{ ().__class__.__bases__[0] }}",
        "{{ [].append.__self__ }}",
        "{{ (messages|map('upper')).gi_frame }}",
        "{{ (messages|map('upper')).gi_code }}",
        # Attributes, by filters that take their names.
        "{{ [raise_exception]|map(attribute='__globals__')|list }}",
        "{{ [raise_exception]|map('attr', '__globals__')|list }}",
        "{{ [raise_exception]|sum(attribute='__globals__', start={}) }}",
        "{{ [raise_exception]|sort(attribute='__globals__.__doc__') }}",
        "{{ [raise_exception]|groupby('__class__')|list }}",
        "{{ [raise_exception]|selectattr('__globals__')|list }}",
        "{{ [raise_exception]|selectattr('__globals__.os', 'defined')|list }}",
        "{{ [raise_exception]|unique(attribute='__class__.__name__')|list }}",
        "{{ [raise_exception]|max(attribute='__globals__') }}",
        "{{ [raise_exception]|join(',', attribute='__globals__') }}",
        # str.format and str.format_map: directly, by a reference, by a filter.
        f"{{{{ '{REACH}'.format(raise_exception) }}}}",
        f"{{{{ '{REACH}'|attr('format')(raise_exception) }}}}",
        f"{{% set f = '{REACH}'.format %}}{{{{ f(raise_exception) }}}}",
        f"{{% set f = '{REACH}'|attr('format') %}}{{{{ f(raise_exception) }}}}",
        f"{{{{ ['{REACH}'.format]|map('attr', '__call__')|list }}}}",
        "{{ '{x.__class__}'.format_map({'x': raise_exception}) }}",
        "{{ '{x.__class__}'|attr('format_map')({'x': raise_exception}) }}",
        "{{ messages[0].content.format(raise_exception) }}",
        "{{ ('{0.__class__}'|safe).format(raise_exception) }}",
        "{{ ('{0.__class__}'|escape).format(raise_exception) }}",
        "{{ ('{0.__class__}'|forceescape).format(raise_exception) }}",
        "{{ ''.join.__self__.__class__ }}",
        # Templates that load, import or change what others see.
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% extends '/etc/passwd' %}",
        "{% do messages.clear() %}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'x'}) }}",
        "{{ messages[0].pop('role') }}",
        "{% set messages[0].role = 'x' %}",
        "{{ messages[0].setdefault('x', 1) }}",
        "{{ {'a b': 1, 'onload=x': 2}|xmlattr }}",
    ],
)
def test_a_way_out_of_the_sandbox(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object, **__: object) -> None:
        pytest.fail("the template ran a command")

    monkeypatch.setattr(os, "system", called)
    monkeypatch.setattr(os, "popen", called)
    monkeypatch.setattr(subprocess, "Popen", called)
    variables: dict[str, Any] = {name: fixed(value) for name, value in VARIABLES.items()}
    try:
        output = environment().from_string(template).render(variables)
    except (TemplateError, TypeError, ValueError, KeyError, OverflowError, MemoryError) as error:
        output = str(error)
    assert not [each for each in REACHED if each in output], output[:300]
    assert VARIABLES["messages"] == [{"role": "user", "content": "{0.__class__.__init__.__globals__}"}]


def test_what_a_template_may_use_is_known() -> None:
    """A new name in Jinja2's next release is looked at before it reaches templates."""
    assert set(environment().globals) == {
        "cycler",
        "dict",
        "joiner",
        "namespace",
        "raise_exception",
        "range",
        "strftime_now",
    }
