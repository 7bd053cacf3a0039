"""Cancels routes, for an operator or their producer (R28)."""
