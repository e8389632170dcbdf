"""Texts to vectors and scores.

context (pools the texts of a batch), request (one embed or rerank).
"""
