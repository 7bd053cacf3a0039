"""Tests of publisher/streams."""
