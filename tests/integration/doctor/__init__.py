"""Tests of publisher/doctor."""
