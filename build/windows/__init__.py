"""The program for Windows, made and run on Linux: cross-compiled libraries, a Windows Python, and Wine to run it in.

tools says what is missing; libraries builds llama.cpp's DLLs as a wheel; python puts the interpreter together; wine
runs it; programs freezes it and makes the npm package.
"""
