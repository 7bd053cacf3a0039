"""The terminal: what is read from it, and how text is laid out and printed on it."""
