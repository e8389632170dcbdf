"""Patterns mean what they mean in ECMAScript, and no search is without end."""

from __future__ import annotations

import pytest

from sidecar.core.schema_check.pattern import Budget, TooMuchWork, search
from sidecar.core.schema_check.pattern_syntax import PatternError

ENOUGH = 200_000

EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
"""What zod 4 writes for an email address."""

CASES: list[tuple[str, list[str], list[str]]] = [
    # what Python's `re` does not know
    (r"^[\p{L}\p{N}_ .()-]+$", ["Åse (2)", "名前"], ["a/b", ""]),
    (r"^\p{Lu}\P{Lu}\p{General_Category=Nd}\pL$", ["Äa٣z"], ["aa3z", "ÄA3z"]),
    (r"^[^\P{Letter}a]$", ["b", "é"], ["a", "1"]),
    (r"^[\p{ASCII}\p{White_Space}]$", ["a", "\u2003"], ["é"]),
    (r"^(?<year>\d{4})-\k<year>$", ["2024-2024"], ["2024-2025"]),
    (r"^\u{1F600}\ud83d\ude00\x41\u0042$", ["😀😀AB"], ["😀AB"]),
    (r"^\cA\cj\0$", ["\x01\n\0"], ["cA"]),
    (r"^[^]$", ["\n", "a"], ["", "ab"]),
    (r"a[]", [], ["a", "a]"]),
    (r"(?<=a+)b", ["caab"], ["cb"]),
    (r"(?<!\d{2,3})€", ["1€", "€"], ["12€"]),
    (r"(?<=\1(\d))x", ["11x"], ["12x"]),  # a look-behind reads from its end
    # what it takes for something else
    (r"^\d$", ["7"], ["٣"]),
    (r"^\w$", ["_"], ["é"]),
    (r"^\s\S$", ["\ufeffa", "\u00a0a"], ["\x1ca", "\x85a"]),
    (r"\bé", ["aé"], [" é"]),
    (r"a$", ["ba"], ["a\n"]),
    (r"^.$", ["\x85", "😀"], ["\n", "\r", "\u2028"]),
    (r"^(?:(a)|b)*\1$", ["ab", "aa"], ["ac"]),
    (r"^\1(a)$", ["a"], ["aa"]),
    # what both know
    (EMAIL, ["jens.o'hara@exa-mple.co.uk"], ["a..b@c.de", ".a@b.cd", "a@b", "a@b.c"]),
    (r"^\/\-\.\_$", ["/-._"], ["/-.a"]),
    (r"^[\w-.]+$", ["a-b.c"], ["a b"]),
    (r"^[\b\]\-a]$", ["\b", "]", "-"], ["b"]),
    (r"^{a}]$", ["{a}]"], ["a"]),
    (r"^a{2}b{1,}c{0,2}?$", ["aab", "aabbcc"], ["ab", "aabccc"]),
    (r"^(?:ab|a)(?=c)c$|^x", ["abc", "ac", "xy"], ["ab", "yx"]),
    (r"^(?:|a)+$", ["", "aaa"], ["b"]),
    (r"(?:)*?$", ["", "a"], []),
    (r"\Bb", ["ab"], ["b"]),
    # Python's, which servers that Python programs make send
    (r"(?i)^äb[c-d]$", ["ÄBC", "äbD"], ["äbe"]),
    (r"\A(?P<q>['\"])x(?P=q)\Z", ["'x'"], ["'x\"", "'x'\n"]),
    (r"^(?i:a)b(?s:.)(?m:^c)$", ["Ab\nc"], ["AB\nc"]),
]


@pytest.mark.parametrize(("pattern", "fitting", "others"), CASES, ids=[case[0] for case in CASES])
def test_a_pattern_matches_as_in_ecmascript(pattern: str, fitting: list[str], others: list[str]) -> None:
    assert [text for text in fitting if not search(pattern, text, Budget(ENOUGH))] == []
    assert [text for text in others if search(pattern, text, Budget(ENOUGH))] == []


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(a", "a group without an end at character 3"),
        ("a)", "a bracket that was not opened at character 2"),
        ("[a", "a class without an end"),
        ("[b-a]", "ends before it begins"),
        ("a{2,1}", "ends before it begins"),
        ("*", "a repetition of nothing"),
        ("a++", "a repetition of a repetition"),
        ("(?>a)", "a group of an unknown kind"),
        ("a(?i)", "flags in the middle"),
        ("(?x)a", "a group of an unknown kind"),
        (r"\q", r"the unknown escape \q"),
        (r"\u{110000}", "beyond Unicode"),
        (r"\p{Script=Greek}", "an unknown property"),
        (r"[\p{L}--[a-z]]", "an operation on sets"),
        (r"\2(a)", "a group that is missing"),
        (r"\k<a>", "a group that is missing"),
        ("a{,3}", "without a lower bound"),
        ("a" * 5001, "more than 5000 characters"),
        ("(" * 100 + ")" * 100, "more than 64 nested groups"),
        ("((a{99}){99}){99}", "it is too large"),
        ("(?:){999999999}", "it is too large"),
        ("\\", "the unknown escape"),
    ],
)
def test_what_is_not_understood_is_named(pattern: str, problem: str) -> None:
    with pytest.raises(PatternError) as caught:
        search(pattern, "", Budget(ENOUGH))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^(a+)+$", "a" * 34 + "!", False),
        ("^(a|a)*$", "a" * 500 + "!", False),
        ("^(a|a?)+$", "a" * 300 + "!", False),
        ("(.*)*x", "a" * 300, False),
        ("(x+x+)+y", "x" * 100, False),
        (r"^(\w+\s?)*$", "word " * 40 + "!", False),
        ("^(?:(?:a*)*)*$", "a" * 100 + "b", False),
        ("(?=(a+)+$)b", "a" * 60, False),
        (r"^[\s\S]*$", "a" * 20_000, True),
    ],
)
def test_the_work_grows_with_the_text_only(pattern: str, text: str, matches: bool) -> None:
    assert search(pattern, text, Budget(ENOUGH)) is matches


@pytest.mark.parametrize(
    ("pattern", "text"), [(r"^(a+)+(b|\1)+$", "a" * 2000 + "!"), ("(?:a{0,500}){0,9}b", "a" * 100_000)]
)
def test_a_search_ends_with_its_budget(pattern: str, text: str) -> None:
    with pytest.raises(TooMuchWork):
        search(pattern, text, Budget(ENOUGH))
