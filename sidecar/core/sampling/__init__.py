"""From logits to the next token.

sampler_chain (llama.cpp's samplers and their options; a new one goes here), request_sampler (a request's chain, with
its grammar), chain_without_accept (does not remember its choice), grammar_sampler and mask_sampler (hold a chain to a
grammar in GBNF, or to a matcher), top_tokens (the likeliest ones), logprobs (the log-probability of each token).
"""
