"""The Hugging Face hub.

plan (which files to fetch) → client (the hub's API), choice (which files it means), reference (parses `model`),
token (which token it gets).
"""
