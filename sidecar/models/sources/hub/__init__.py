"""The Hugging Face hub.

client (the hub's API) → choice (which files of a repository are meant), token (which token the hub gets); cache
(what huggingface_hub has downloaded for other programs).
"""
