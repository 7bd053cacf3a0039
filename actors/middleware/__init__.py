"""What keeps a worker process honest: one middleware a file."""
