"""Completion in the user's shell: its setup, its answers, and the values that it offers."""
