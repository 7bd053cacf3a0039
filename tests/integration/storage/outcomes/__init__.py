"""Tests of storage/outcomes."""
