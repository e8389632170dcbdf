"""The KV cache and its sequences.

context (owns a llama_context), sequence (one sequence of the cache), checkpoints (where a recurrent state or a sliding
window can go back to), memory_check (whether it fits), state_file (a
sequence's cache on disk), thread_count (how many threads compute), step_cost (the cost of one more token per step).
"""
