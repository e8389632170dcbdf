"""From a JSON Schema or a grammar in GBNF to the grammar that a sampler enforces.

grammar (the entry point), gbnf (checks a grammar), grammar_rules (checks its rules), json_schema (a schema's grammar),
schema_keywords (reads a schema), schema_merge (joins several), json_objects, json_values, json_strings,
json_patterns, json_numbers (the GBNF of each kind of value).
"""
