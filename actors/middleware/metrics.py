"""Dramatiq's Prometheus middleware, served where the settings say."""

from collections.abc import Callable

from dramatiq.middleware.prometheus import Prometheus


class WorkerMetrics(Prometheus):
    """The stock counters of messages and ours of routes, together, on PUBLISHER_METRICS_PORT."""

    def __init__(self, serve: Callable[[], int]) -> None:
        """serve: what the process beside the workers runs, which serves what they all count."""
        super().__init__()
        self._serve = serve

    @property
    def forks(self) -> list[Callable[[], int]]:
        """The one process beside the workers. Dramatiq passes its function on by name."""
        return [self._serve]
