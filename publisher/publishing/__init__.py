"""Publishes due routes: claim, encode, append, record, report."""
