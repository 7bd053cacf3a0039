"""Tests of publisher/process."""
