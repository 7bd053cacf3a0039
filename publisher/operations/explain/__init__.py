"""Explains a route: why it is where it is, what happens next, and what an operator can do (R3-R5a)."""
