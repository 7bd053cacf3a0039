"""Tests of publisher/operations/changes."""
