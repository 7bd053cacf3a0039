"""Takes notification intents off a Redis stream, keeps them as routes in PostgreSQL, publishes each when due."""
