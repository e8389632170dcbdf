"""Texts to vectors and scores.

embedding_context (pools the texts of a batch), request (one embed or rerank).
"""
