"""Channels: their gates, their rate limits, and who reads their commands (R27, R30)."""
