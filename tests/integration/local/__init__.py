"""Tests of publisher/local."""
