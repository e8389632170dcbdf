"""From logits to the next token.

sampler (the chain of llama.cpp's samplers), grammar_sampler (a grammar beside it), logprobs.
"""
