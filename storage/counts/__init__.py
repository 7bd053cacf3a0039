"""Counts and rates for `status`, at a cost that does not grow with the tables (R35)."""
