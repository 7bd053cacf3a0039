"""The rules alone: no IO, no clock, no environment. Time and randomness are arguments."""
