"""How much memory a model needs.

estimate (per device, and the largest context) → buffers (bytes per layer and per context), projector (its bytes).
"""
