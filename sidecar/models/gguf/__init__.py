"""GGUF files.

description (what is said of a model), fingerprint (a hash that identifies it) → parts (a whole model, or a split one) →
reader (parses a header), header (its values), tensor_types (their sizes), sparse_reader (a remote header without its
vocabulary), splits (names of model files), projector (which one belongs to a model).
"""
