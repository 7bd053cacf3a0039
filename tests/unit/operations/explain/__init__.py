"""Tests of publisher/operations/explain."""
