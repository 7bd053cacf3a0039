"""Finds what an id or a name stands for, or may have meant."""
