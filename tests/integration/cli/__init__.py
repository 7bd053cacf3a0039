"""Tests of publisher/cli."""
