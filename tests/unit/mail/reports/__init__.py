"""Tests of publisher/mail/reports."""
