"""The fault suite: every fault that R15 speaks of, injected for real, and checked for loss and duplication."""
