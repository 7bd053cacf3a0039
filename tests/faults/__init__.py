"""Nothing lost, nothing twice: every fault that the promise speaks of, made for real (R15)."""
