"""Runs the whole service on one machine: embedded servers, the Procfile's processes, the demo."""
