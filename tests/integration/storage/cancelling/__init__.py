"""Tests of storage/cancelling."""
