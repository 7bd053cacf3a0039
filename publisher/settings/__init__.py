"""The environment variables as values: parsed, checked, and with the defaults."""
