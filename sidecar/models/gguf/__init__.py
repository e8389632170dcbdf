"""GGUF files.

reader (parses a header), header (its values), tensor_types (their sizes), sparse_reader (a remote header without its
vocabulary), splits (names of model files), fingerprint (a hash that identifies a model).
"""
