"""The weights and what belongs to them.

model (owns a llama_model), loading (from a file, with progress), adapters (LoRA), token_table (the
vocabulary by first byte), sampler_cache, memory_plan (whether it fits), page_cache (gives back the pages
of a mapped file).
"""
