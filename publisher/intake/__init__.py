"""Takes intents off their stream and commits them to PostgreSQL as notifications and routes."""
