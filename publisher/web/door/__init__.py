"""The HTTP door: intents and delivery events from those who reach no Redis, and what became of a notification."""
