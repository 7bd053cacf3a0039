"""Which checks there are: each reads facts from a server, and hands them to its judge in `publisher.doctor.checks`."""
