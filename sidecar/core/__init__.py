"""The engine: one process that holds one model. The only part that touches llama.cpp.

engine (threads, jobs) → methods → model, context, chat → scheduler (batches) → generation (one
request's tokens and text) → notifier.
"""
