"""Sends messages over SMTP, on connections that are kept for many messages (R33)."""
