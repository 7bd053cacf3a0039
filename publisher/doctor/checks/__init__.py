"""Judges what was read: pure functions from facts to a verdict. Nothing here asks a server."""
