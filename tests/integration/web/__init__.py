"""Tests of publisher/web."""
