"""Downloads one file: resumed, verified, with progress.

download (one file from begin to end) → connections (the requests for its ranges), hasher (hashes in the
background) → partial_file (the bytes so far) → journal (which bytes are there). wanted (a file to fetch),
progress (notifications).
"""
