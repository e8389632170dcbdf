"""HTTP in the transfer process.

address (which servers and redirects are allowed), range_file (a remote file that is read in ranges).
"""
