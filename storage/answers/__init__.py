"""Delivery events, and the answers that routes have by them (R32)."""
