"""The models directory.

store (which file lies where), durable_files (written beside and renamed), safe_names (names that every
system accepts).
"""
