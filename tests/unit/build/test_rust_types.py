"""The Rust types of the Tauri plugin: serde reads and writes what the schema says. `dev.py desktop` compiles them."""

from __future__ import annotations

import re

from contract import read, rust

CONTRACT = read.read_contract()
TYPES = rust.types(CONTRACT, "made")


def item(name: str) -> str:
    """The text of a type, with what derives it."""
    (found,) = re.findall(rf"((?:#\[[^\n]*\n)*pub (?:struct|enum) {name} {{.*?\n}}\n)", TYPES, re.DOTALL)
    return str(found)


def test_every_type_and_every_request_is_there_once() -> None:
    names = re.findall(r"^pub (?:struct|enum|type) (\w+)", TYPES, re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(CONTRACT.types) <= set(names)
    methods = rust.methods(CONTRACT, "made")
    assert re.findall(r'self\.request\("([^"]+)"', methods) == list(CONTRACT.requests)
    assert f"PROTOCOL_VERSION: i64 = {CONTRACT.protocol_version};" in methods


def test_the_mark_of_a_choice_is_the_enums_and_every_other_constant_a_member() -> None:
    assert '#[serde(tag = "progressType")]\npub enum Progress {' in item("Progress")
    assert '#[serde(rename = "generate")]\n    Generate(GenerateProgress),' in item("Progress")
    assert "progress_type" not in item("GenerateProgress")
    assert "pub r#type: ToolType," in item("Tool")
    assert '#[default]\n    #[serde(rename = "function")]' in item("ToolType")


def test_what_may_be_left_out_is_left_out_and_null_stays_null() -> None:
    left_out = '#[serde(default, skip_serializing_if = "Option::is_none")]\n    pub {}: Option<'
    assert left_out.format("max_tokens") in item("ChatParams")
    assert "pub messages: Messages," in item("ChatParams")
    assert re.search(r'(?<!is_none"\)\]\n)    pub stop_string: Option<String>,', item("ChatResult"))


def test_names_are_rusts_and_their_words_the_schemas() -> None:
    assert "top_n_sigma: Option<f64>" in item("SamplingParams")
    assert rust._camel(rust._snake("topNSigma")) == "topNSigma"
    assert '#[serde(rename = "q8_0")]\n    Q80,' in item("KvCacheType")
