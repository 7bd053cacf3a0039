"""Dramatiq's Prometheus middleware, served by one process beside the workers."""

from collections.abc import Callable

from dramatiq.middleware.prometheus import Prometheus


class WorkerMetrics(Prometheus):
    """The stock counters of messages and ours of routes, together."""

    def __init__(self, serve: Callable[[], int]) -> None:
        """serve: the main function of the process beside the workers, which serves the counters of all of them."""
        super().__init__()
        self._serve = serve

    @property
    def forks(self) -> list[Callable[[], int]]:
        """The one process beside the workers. Dramatiq passes its function on by name."""
        return [self._serve]
