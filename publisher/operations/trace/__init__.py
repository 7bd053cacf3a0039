"""Follows an id from its entry to its commands: everything on record, and what became of it."""
