"""Intents: accepted, and how far: marks, replays and losses (R18-R21)."""
