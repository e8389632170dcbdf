"""Chat templates: what real ones need, and what hostile ones try."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from character_model import CharacterModel, replace_lib, tokenized

from sidecar.core.chat.rendering import template as limits
from sidecar.core.jobs import Jobs
from sidecar.message_handler.errors import SidecarError

BOUND_S = 30.0
"""Only so that a test cannot hang. The limit for templates is MAX_RENDER_S."""

MESSAGES = [{"role": "user", "content": "<Grüß & 'Gott'>"}]


@pytest.fixture(autouse=True)
def _vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_lib(monkeypatch)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(SimpleNamespace(send=lambda *_, **__: None))  # type: ignore[arg-type]


def render(jobs: Jobs, template: str | None, messages: Any = None, **params: Any) -> str:
    job = jobs.open(1, "chat", {})
    jobs.begin(job)
    params = {"messages": MESSAGES if messages is None else messages, **params}
    return tokenized(CharacterModel(template, add_bos=False), params, job)[0]


def failed(jobs: Jobs, template: str) -> str:
    """The cause of the failure, which must come within the bound."""
    started = time.monotonic()
    with pytest.raises(SidecarError) as caught:
        render(jobs, template)
    assert time.monotonic() - started < BOUND_S
    assert caught.value.kind == "templateFailed"
    cause = caught.value.details["cause"]
    assert 0 < len(cause) <= 2000
    return str(cause)


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{{ bos_token }}|{{ eos_token }}", "<s>|</s>"),
        ("{% for m in messages %}{{ m.role }}:{{ m['content'] }}{% endfor %}", "user:<Grüß & 'Gott'>"),
        ("{% if add_generation_prompt %}yes{% endif %}", "yes"),
        ("{{ messages | tojson }}", '[{"role": "user", "content": "<Grüß & \'Gott\'>"}]'),
        ("{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=True) }}", '{"a":2,"b":1}'),
        ("{{ 'é' | tojson(ensure_ascii=True) }}{{ 'é' | tojson }}", '"\\u00e9""é"'),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("  {% if true %}\n  a\n  {% endif %}\n", "  a\n"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "02"),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        ),
        ("{{ tools is defined }}{{ tools }}", "False"),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{{ messages | map(attribute='role') | tojson }}", '["user"]'),
        ("{{ '<a>' | safe + (messages[0].role | tojson) }}", '<a>"user"'),
        ("{% generation %}{% set a = 1 %}{{ a }}{% endgeneration %}", "1"),
        ("{{ date_string | length }}{{ datetime | length }}", "1111"),
        ("{{ enable_thinking }}{{ preserve_thinking }}", "TrueTrue"),
        ("{{ 'ab' * 2 }}{{ 3 * 4 }}{{ 2 ** 10 }}{{ -1 * 2.5 }}", "abab121024-2.5"),
        ("{{ messages[0].content.strip().split('&')[0] }}", "<Grüß "),
    ],
)
def test_what_real_templates_use_works(jobs: Jobs, template: str, prompt: str) -> None:
    assert render(jobs, template) == prompt


def test_the_generation_prompt_is_left_out_when_not_wanted(jobs: Jobs) -> None:
    assert render(jobs, "{% if add_generation_prompt %}yes{% endif %}no", addGenerationPrompt=False) == "no"


def test_a_model_without_a_template_is_refused(jobs: Jobs) -> None:
    with pytest.raises(SidecarError) as caught:
        render(jobs, None)
    assert caught.value.kind == "noChatTemplate"


def test_a_template_can_refuse_the_messages_with_its_own_words(jobs: Jobs) -> None:
    assert "Roles must alternate" in failed(jobs, "{{ raise_exception('Roles must alternate') }}")


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}",
        "{{ 'x' ",
        "{% for %}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content.nothing.more }}",
        "{{ none + 1 }}",
        "{{ undefined_function() }}",
        "{% include 'x' %}",
        "{% import 'os' as os %}",
        "{{ raise_exception() }}",
        "{{ tools | tojson }}",
        "{% if a %}" * 500 + "{% endif %}" * 500,
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    ],
    ids=lambda template: template[:30],
)
def test_a_template_that_fails_is_reported(jobs: Jobs, template: str) -> None:
    failed(jobs, template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ strftime_now.__self__.sleep(5) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ (messages | map(attribute='__class__') | list)[0].__mro__ }}",
        "{{ ''['__class__'].__mro__ }}",
        "{{ '{0.__class__.__mro__}'.format(1) }}",
        "{% set x = messages.append(1) %}",
        "{{ messages[0].update(role='x') }}",
    ],
    ids=lambda template: template[:40],
)
def test_a_template_cannot_reach_out_of_its_sandbox(jobs: Jobs, template: str) -> None:
    cause = failed(jobs, template)
    assert "unsafe" in cause or "undefined" in cause or "no attribute" in cause or "not safely" in cause


@pytest.mark.parametrize("template", ["{{ ''.__class__ }}", "{{ raise_exception.__globals__ }}"])
def test_what_lies_outside_the_sandbox_looks_undefined(jobs: Jobs, template: str) -> None:
    assert render(jobs, template) == ""


FOR_EVER = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"


@pytest.mark.parametrize(
    "template",
    [
        FOR_EVER + "{% endfor %}" * 3,
        FOR_EVER + "{{ a }}" + "{% endfor %}" * 3,
        "{% macro m() %}" + FOR_EVER + "{% endfor %}" * 3 + "{% endmacro %}{{ m() }}",
        "{{ range(99999) | map('string') | map('list') | sum(start=[]) | length }}" * 50,
    ],
    ids=["nothing", "output", "macro", "filters"],
)
# The stop may hit a callback of the garbage collector, which ignores it and prints that; the next stop does not.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_template_that_runs_for_ever_is_stopped(
    jobs: Jobs, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_RENDER_S", 0.2)
    assert "still running" in failed(jobs, template)
    assert not [t for t in threading.enumerate() if t.name == "sidecar:template" and t.is_alive()]


def test_the_time_in_which_the_process_stands_still_does_not_count(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_RENDER_S", 0.1)

    def work(_: limits.Template) -> str:
        time.sleep(0.3)  # as a closed laptop does
        return "rendered"

    job = jobs.open(1, "chat", {})
    jobs.begin(job)
    assert limits.run("", work, job) == "rendered"


def test_a_stop_that_python_drops_is_tried_again(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_RENDER_S", 0.05)
    monkeypatch.setattr(limits, "STOP_TIMEOUT_S", 0.1)
    drops = limits.STOP_TRIES - 1
    monkeypatch.setattr(limits, "STOP_TRIES", 100)  # two may come at once where the thread gets no time
    dropped: list[int] = []
    until = time.monotonic() + BOUND_S

    def work(_: limits.Template) -> str:
        while time.monotonic() < until:
            try:
                while time.monotonic() < until:
                    time.sleep(0.001)  # Python 3.13 leaves an empty loop's jump outside of the try
            except SystemExit:
                dropped.append(1)
                if len(dropped) == drops:
                    raise
        return "it was never stopped"

    job = jobs.open(1, "chat", {})
    jobs.begin(job)
    with pytest.raises(SidecarError, match="still running"):
        limits.run("", work, job)
    assert len(dropped) == drops
    assert not [t for t in threading.enumerate() if t.name == "sidecar:template" and t.is_alive()]


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 10**9 * 'a' }}",
        "{{ [1] * 10**9 }}",
        "{{ 2 ** 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% set ns = namespace(n=3) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
        "{{ range(10**9) | list }}",
        "{{ 'a'.ljust(10**10) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
        "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
    ],
    ids=lambda template: template[:45],
)
def test_a_template_cannot_take_the_memory_of_the_machine(jobs: Jobs, template: str) -> None:
    import psutil

    before = psutil.Process().memory_info().rss
    assert len(failed(jobs, template)) < 500
    assert psutil.Process().memory_info().rss - before < 1.5 * limits.MAX_MEMORY_BYTES


def test_the_limit_of_memory_is_lifted_again(jobs: Jobs) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit of the address space")
    before = resource.getrlimit(resource.RLIMIT_AS)
    failed(jobs, "{{ 'a'.ljust(10**11) }}")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert render(jobs, "fine") == "fine"


def test_output_past_its_limit_is_refused(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_OUTPUT_CHARS", 1000)
    assert "1000 characters" in failed(jobs, "{% for i in range(1001) %}x{% endfor %}")
    assert len(render(jobs, "{% for i in range(1000) %}x{% endfor %}")) == 1000


def test_a_running_template_stops_when_its_request_is_cancelled(jobs: Jobs) -> None:
    job = jobs.open("a", "chat", {})
    jobs.begin(job)
    model = CharacterModel(FOR_EVER + "{% endfor %}" * 3)
    caught: list[SidecarError] = []

    def work() -> None:
        try:
            tokenized(model, {"messages": MESSAGES}, job)
        except SidecarError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    jobs.cancel("a")
    thread.join(BOUND_S)
    assert [error.kind for error in caught] == ["aborted"]


@pytest.mark.parametrize(
    ("template", "add_bos", "prompt"),
    [
        ("{{ bos_token }}Hi", True, "Hi"),
        ("{{ bos_token }}Hi", False, "<s>Hi"),
        ("Hi{{ bos_token }}", True, "Hi<s>"),
        ("Hi", True, "Hi"),
    ],
)
def test_a_beginning_that_tokenizing_adds_is_not_doubled(template: str, add_bos: bool, prompt: str) -> None:
    model = CharacterModel(template, add_bos=add_bos)
    text, tokens = tokenized(model, {"messages": MESSAGES})
    assert text == prompt
    assert model.text(tokens) == ("<s>" if add_bos else "") + prompt


def test_messages_are_the_same_after_rendering(jobs: Jobs) -> None:
    messages = [{"role": "user", "content": "a"}]
    render(jobs, "{{ messages }}", messages)
    assert messages == [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ messages[3].content }}", "a list has no element 3"),
        ("{{ messages[0].nothing.more }}", "an object has no attribute 'nothing'"),
        ("{{ nothing.more }}", "it needs the variable 'nothing', which templateVariables can set"),
        ("{{ 'a' + none }}", 'can only concatenate str (not "null") to str'),
    ],
)
def test_the_cause_has_no_names_of_our_own(jobs: Jobs, template: str, cause: str) -> None:
    assert failed(jobs, template) == cause
