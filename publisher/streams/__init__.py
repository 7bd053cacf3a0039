"""Redis Streams: the outbound streams, appended to once per delivery, and the inbound consumer group."""
