"""The program for other machines with Linux, made on this one: an older glibc, another processor.

targets says which there are; libraries builds llama.cpp with Zig's compiler; python puts the interpreter together;
emulator runs what is of another processor; programs freezes.
"""
