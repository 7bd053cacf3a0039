"""Tests of publisher/streams/servers."""
