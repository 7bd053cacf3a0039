"""The Dramatiq side: thin actors, the broker, and what keeps a worker process honest."""
