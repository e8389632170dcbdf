"""From a JSON Schema, a regular expression or a grammar to what a sampler enforces.

grammar (the entry point) → json_schema (a schema's matcher, and the check of the finished text), regex_and_lark (the
matcher of other texts) → compiling → llguidance_api (calls llguidance). llguidance_schema makes of a schema one that
llguidance takes, with keywords, keyword_rewrites, endless_schemas and ecma_pattern. gbnf and grammar_rules check a
grammar that llama.cpp enforces.
"""
