"""The models directory.

store (where a file lies, and its record) → durable_files (writes that are complete or not done), safe_names (names
that every system accepts).
"""
