"""From logits to the next token.

sampler (one request's), chain (llama.cpp's samplers and their options), chooser (a chain that does not remember its
choice), ranking (the likeliest tokens), grammar_sampler and mask_sampler (hold a chain to a grammar in GBNF, or to a
matcher), logprobs (the log-probability of each token).
"""
