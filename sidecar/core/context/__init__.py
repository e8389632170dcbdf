"""The KV cache and its sequences.

context (owns a llama_context), sequence (one sequence of the cache), row_batch (rows of pictures and sound),
checkpoints (where a recurrent state or a sliding window can go back to), conversation_store (conversations that have no
sequence), disk_store (the same on a disk), context_options (its params as llama.cpp's), memory_check
(whether it fits), sequence_state (llama.cpp's copy of a
sequence), state_file (the same on disk), thread_count (how many threads compute), step_cost (the cost of one more token
per step).
"""
