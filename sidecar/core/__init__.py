"""The engine process: it holds one model and is the only part that touches llama.cpp.

engine.py reads requests, methods/ answers them, scheduling/ computes; jobs.py gives each request its one
response.
"""
