"""Tests of publisher/settings."""
