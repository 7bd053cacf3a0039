"""Claims: a worker leases the routes that it may attempt now (R4, R5, R5a)."""
