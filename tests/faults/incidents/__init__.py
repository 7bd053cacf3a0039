"""Incidents of the real processes, the metrics that they served meanwhile, and whether the alerts fire (R25).

`python -m tests.faults.incidents` makes each incident and writes what was scraped to `recordings/`. The tests evaluate
the alert rules against these recordings with Prometheus' own `promtool`: minutes of incidents cost a test nothing.
"""
