"""Tests of storage/mail."""
