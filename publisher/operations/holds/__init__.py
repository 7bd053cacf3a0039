"""Holds: what matches one is not published (R29)."""
