"""Tests of storage/ids."""
