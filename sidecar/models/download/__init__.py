"""Fetching a file: resumed, verified, with progress.

download (one file from begin to end), connections (the requests for its ranges), partial_file (the bytes
so far), journal (which bytes are there), hasher (hashes in the background), progress.
"""
