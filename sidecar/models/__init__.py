"""The transfer process: it downloads models, and lists, inspects and deletes them.

transfer (the process) → methods (one function per request) → inventory (what is on the disk); transfer_job (the
request). Sub-packages, each importing only those before it: gguf, http, store; memory_estimate, download; sources.
"""
