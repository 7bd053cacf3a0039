"""Tests of publisher/operations/ids."""
