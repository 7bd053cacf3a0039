"""Tests of publisher/intake."""
