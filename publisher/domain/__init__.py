"""The rules of the service, and nothing else: no server, no clock, no environment. Time and chance are arguments."""
