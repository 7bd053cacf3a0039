"""Tests of storage/answers."""
