"""Tests of publisher/operations/trace."""
