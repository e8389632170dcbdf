"""The engine: one process that holds one model. The only part that touches llama.cpp.

engine (threads, jobs) → greeting, methods, inference → model, context, chat → scheduler (batches) → generation (one
request's tokens and text) → notifier.

sampling (the chain of a request) → constraint (a grammar beside it) → grammar: gbnf checks one,
json_schema makes one of a schema (json_objects, json_values, json_strings, json_patterns, json_numbers).
"""
