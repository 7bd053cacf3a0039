"""Redis and nothing but Redis: keys, the outbound streams, consumer groups, mutexes and heartbeats."""
