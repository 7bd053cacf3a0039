"""Tests of publisher/operations/snapshot."""
