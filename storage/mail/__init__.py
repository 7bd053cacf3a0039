"""Deliveries of the mail service, and the addresses to which it sends nothing (R33)."""
