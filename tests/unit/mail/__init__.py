"""Tests of publisher/mail."""
