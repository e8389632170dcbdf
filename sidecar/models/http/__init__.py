"""HTTP in the transfer process.

address (one request for a file or a part of it), range_file (the header of a remote file), url (URLs and ranges).
"""
