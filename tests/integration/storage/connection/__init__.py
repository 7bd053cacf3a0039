"""Tests of storage/connection."""
