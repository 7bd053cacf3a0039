"""Tests of publisher/web that need no server."""
