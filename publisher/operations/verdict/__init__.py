"""The verdict on the service: what a snapshot shows to be wrong, the worst first, in words."""
