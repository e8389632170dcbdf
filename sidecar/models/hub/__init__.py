"""The Hugging Face hub.

plan (which files to fetch) → client (the hub's API), reference (parses `model` and chooses files).
"""
