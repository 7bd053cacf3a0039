"""How fast the service is, beside two rulers taken in the same run: `python -m tests.benchmarks --help`."""
