"""A connection to PostgreSQL: to which host, how long it waits, what its session is, and why it failed."""
