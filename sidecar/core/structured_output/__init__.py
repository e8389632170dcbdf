"""From a JSON Schema, a regular expression or a grammar to what a sampler enforces.

grammar (the entry point). json_schema: a schema's matcher, and the check of the finished text; schema makes of it one
that llguidance takes, with keywords, equivalents, finite and ecma_pattern. texts: regular expressions and Lark.
compiling compiles them; guidance calls llguidance. gbnf and grammar_rules check a grammar that llama.cpp enforces.
"""
