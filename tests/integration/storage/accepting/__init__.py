"""Tests of storage/accepting."""
