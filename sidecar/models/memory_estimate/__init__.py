"""How much memory a model needs.

estimate (per device, and the largest context) → device_share (what one device holds), buffers (bytes per layer and
per context), projector_memory (a projector's bytes).
"""
