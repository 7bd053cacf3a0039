"""Tests of storage/counts."""
