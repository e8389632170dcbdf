"""The tags with which models write calls."""

from __future__ import annotations

from typing import Final, NamedTuple

KEY: Final = "{key}"
NAMESPACE: Final = "]<]minimax[>["


class Tags(NamedTuple):
    """The tags around names and values."""

    call: tuple[str, str, str]
    """Before the name, after the name, after the call. The first is empty if the form's start is before the name."""
    key: tuple[str, str]
    value: tuple[str, str]
    """Other text may stand between the key and `value[0]`: whether the value is a string. KEY stands for the key."""
    on_lines: bool = False
    """A value stands on lines of its own: the newline at each of its ends is not part of it."""
    quotes: tuple[str, str] = ("", "")
    """What a text may stand between that contains `value[1]`."""
    attributes: bool = False
    """Names and keys are attributes of XML: some of their characters are written as entities."""
    nested: str = ""
    """Before each tag. Objects and lists are tags within tags, too."""

    @property
    def says_type(self) -> bool:
        """Whether the tag of a key goes on after the key, and says whether the value is a string."""
        return not self.key[1].endswith(">")

    @property
    def marks(self) -> list[str]:
        """All tags."""
        return [*self.call, *self.key, *(each for each in self.value if KEY not in each), self.nested]


FUNCTION: Final = Tags(("<function=", ">", "</function>"), ("<parameter=", ">"), ("", "</parameter>"), True)
SEED: Final = FUNCTION._replace(on_lines=False)
PAIRS: Final = Tags(("", "", ""), ("<arg_key>", "</arg_key>"), ("<arg_value>", "</arg_value>"))
INVOKE: Final = Tags(('<invoke name="', '">', "</invoke>"), ('<parameter name="', '">'), ("", "</parameter>"))
DSML: Final = Tags(
    ('<｜DSML｜invoke name="', '">', "</｜DSML｜invoke>"),
    ('<｜DSML｜parameter name="', '"'),
    (">", "</｜DSML｜parameter>"),
)
ATEM: Final = Tags(
    ('<atem:invoke name="', '">', "</atem:invoke>"),
    ('<atem:parameter name="', '">'),
    ("", "</atem:parameter>"),
)
PARAM: Final = Tags(
    ("", '">', "</function>"), ('<param name="', '">'), ("", "</param>"), quotes=("<![CDATA[", "]]>")
)
HY: Final = Tags(
    ("<tool_call:opensource>", "<tool_sep:opensource>", "</tool_call:opensource>"),
    ("<arg_key:opensource>", "</arg_key:opensource>"),
    ("<arg_value:opensource>", "</arg_value:opensource>"),
)
XTML: Final = Tags(
    ('<|open|>call tool="', "<|sep|>", "<|close|>call<|sep|>"),
    ('<|open|>argument key="', '" type='),
    ("<|sep|>", "<|close|>argument<|sep|>"),
    attributes=True,
)
ELEMENTS: Final = Tags(
    (f'{NAMESPACE}<invoke name="', '">', f"{NAMESPACE}</invoke>"),
    (f"{NAMESPACE}<", ">"),
    ("", f"{NAMESPACE}</{KEY}>"),
    nested=NAMESPACE,
)
IS_STRING: Final = {
    'string="true"': True,
    'string="false"': False,
    '"string"': True,
    **{f'"{kind}"': False for kind in ("number", "boolean", "null", "object", "array")},
}
"""What stands between key and value → whether the value is a string."""
