"""The remedy of a finding: as a value, as a command line, and carried out (R34)."""
