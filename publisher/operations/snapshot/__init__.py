"""A snapshot of the service: each server's half of it, its fields and its words (R35)."""
