"""Entries that are not accepted: recorded whole, read, and marked once they were resubmitted (R19)."""
