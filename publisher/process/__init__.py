"""Keeps a process honest: its logs, metrics, heartbeat, watchdog and signals."""
