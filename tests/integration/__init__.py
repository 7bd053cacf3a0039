"""Rooms of the service against a real PostgreSQL and a real Redis, within the test's process."""
