"""The weights and what belongs to them.

model (owns a llama_model), loading (from a file, with progress), draft_pair (whether a draft model fits), mtp
(whether a head does), adapters (LoRA), tokenizer (long texts in pieces), token_table (the vocabulary by first byte),
sampler_cache, memory_plan (whether the weights fit), placement (on which devices they lie), page_cache (frees pages
of a mapped file).
"""
