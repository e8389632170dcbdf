"""Checks values against schemas that strangers wrote, in bounded time, stack and memory.

schema: a schema, and the checks of values; reader makes nodes of it (node), with nested_keywords, value_keywords and
references. pattern: searches texts for ECMAScript's regular expressions, of which pattern_syntax makes a tree
(pattern_tree) and pattern_program a program; characters: sets of characters.
"""
