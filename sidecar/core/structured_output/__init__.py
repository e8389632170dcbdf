"""From a JSON Schema or a grammar in GBNF to what the sampler is held to.

grammar (the way in), gbnf (checks a grammar), grammar_rules (its rules), json_schema (a schema's
grammar), schema_keywords, json_objects, json_values, json_strings, json_patterns, json_numbers (the parts
of it).
"""
