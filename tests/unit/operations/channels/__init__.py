"""Tests of publisher/operations/channels."""
