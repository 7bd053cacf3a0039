"""Tests of publisher/observability."""
