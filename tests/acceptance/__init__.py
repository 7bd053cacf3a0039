"""The real processes and commands from outside, as producers, consumers and operators see them."""
