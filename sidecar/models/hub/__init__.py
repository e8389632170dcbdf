"""What the Hugging Face hub has.

reference (what a person writes for a model), client (the hub's API), plan (which files to fetch).
"""
