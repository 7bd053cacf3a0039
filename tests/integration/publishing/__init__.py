"""Tests of publisher/publishing."""
