"""Reads the mailbox to which bounces and complaints come, and records what they amount to."""
