"""Texts to vectors and scores.

context (pools many texts per batch), request (one embed or rerank).
"""
