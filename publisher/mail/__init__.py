"""A mail service over SMTP: it sends the commands of the email channel, and reads the answers that come back."""
