"""Tests of storage/malformed."""
