"""Tests of publisher/mail/smtp against SMTP servers on real sockets."""
