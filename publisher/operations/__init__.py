"""What an operator can ask and do, as values in and out: no terminal, no HTTP."""
