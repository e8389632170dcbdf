"""What is generated from schema/, run by `dev.py gen`.

read reads the contract; generate writes the files; openrpc makes the published document and the params' schemas.
"""
