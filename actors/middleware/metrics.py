"""Dramatiq's Prometheus middleware, served where the settings say."""

import os
import time
from collections.abc import Callable

from dramatiq.middleware.prometheus import Prometheus

from actors.middleware.watchdog import master_pid
from publisher.telemetry import metrics_directory, serve_workers


class WorkerMetrics(Prometheus):
    """The stock counters of messages and ours of routes, together, on PUBLISHER_METRICS_PORT."""

    @property
    def forks(self) -> list[Callable[[], int]]:
        """One process beside the workers serves what they all count."""
        return [serve]


def serve() -> int:
    """Runs in the master's fork, which has read nothing: hence the environment. Ends with it, or when signalled."""
    master = master_pid()
    serve_workers(int(os.environ["PUBLISHER_METRICS_PORT"]), metrics_directory(master))
    while os.getppid() == master:
        time.sleep(1)
    # An orphan would keep the port, and no one would serve the next master's workers.
    return 0
