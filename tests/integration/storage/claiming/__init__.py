"""Tests of storage/claiming."""
