"""Tests of publisher/mail with real servers."""
