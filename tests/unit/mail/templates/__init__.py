"""Tests of publisher/mail/smtp without a server."""
