"""Tests of publisher/operations/resubmit."""
