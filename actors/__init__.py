"""Dramatiq: the broker, its queues, thin actors, and the middleware of worker processes."""
