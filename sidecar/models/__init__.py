"""The transfer process: it fetches models from the hub and looks at those on the disk.

transfer reads requests, methods answers them, inventory lists and deletes what is on the disk. The
packages beside them: hub, download, http, store, gguf, memory.
"""
