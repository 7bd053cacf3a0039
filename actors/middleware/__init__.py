"""The middleware of worker processes, one a file."""
