"""What `publisher doctor` thinks of what it sees: facts in, verdicts out. One module a part of the system."""
