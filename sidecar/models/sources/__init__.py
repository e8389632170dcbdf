"""Where models come from: the Hugging Face hub (hub/), or a URL (url). A new source of downloads goes beside these.

download_plan (which files to fetch) → model_reference (which source `model` names), hub/ and url (what each says of its
files) → retries (asks a server again).
"""
