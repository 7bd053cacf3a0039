"""Renders the templates of an operator, in a sandbox, and says what is wrong with them."""
