"""Tests of publisher/web/door."""
