"""Pictures and sounds that requests bring.

source (finds the bytes of a content part), pictures and sounds (what their headers say, before they are decoded).
"""
