"""Model files: reading them here, fetching them from the hub in the transfer role."""
