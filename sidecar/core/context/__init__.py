"""The KV cache and its sequences.

context (owns a llama_context), state_file (what a sequence has computed, on the disk), thread_count (how
many threads compute), step_cost (what one more token in a batch costs).
"""
