"""The requests that an engine answers, one file per group.

handlers (method → function), init, generate (complete and chat), infill, embed (embed and rerank), state
(save and restore).
"""
