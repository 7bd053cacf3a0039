"""Tests of publisher/operations/verdict."""
