"""The engine process: it holds one model, and is the only part of the program that calls llama.cpp.

engine_process reads requests, methods/ answers them, preparation makes their tokens, scheduling/ computes. engine is
what requests share; jobs gives each request its one response; crash ends the process when a library has crashed;
preload loads libraries beside the imports.
"""
