"""Tests of publisher/operations/malformed."""
