"""The questions and changes of an operator, as values in and out: no terminal, no HTTP."""
