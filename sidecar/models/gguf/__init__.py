"""GGUF files.

reader (parses a header), header (its typed values), sparse_reader (a header without its long arrays),
splits (models of several files), fingerprint (by which a model is recognised).
"""
