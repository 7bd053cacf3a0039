"""Malformed intents and delivery events: shown, edited and resubmitted (R19)."""
