"""Tests of publisher/domain."""
