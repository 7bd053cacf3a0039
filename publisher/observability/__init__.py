"""Metrics of the whole service, and what watches them: gauges of a snapshot, a dashboard, alert rules."""
