"""Which Redis has which stream, and how it is reached: one server, a cluster's nodes, or what Sentinels name (R37)."""
