"""From logits to the next token.

sampler (one request's), chain (llama.cpp's samplers and their options), grammar_sampler (holds a chain to a grammar),
logprobs (the log-probability of each token).
"""
