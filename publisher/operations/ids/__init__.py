"""Reads ids: the text that an operator has at hand, and everything that it names."""
