"""From logits to the next token.

sampler (one request's), chain (llama.cpp's samplers and their options), grammar_sampler (holds a chain to a grammar),
logprobs (how likely the model takes each token for).
"""
