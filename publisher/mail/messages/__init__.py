"""Makes the message of a command: what was asked for, its header and body, and how it names its delivery."""
