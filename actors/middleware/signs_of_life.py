"""Worker processes say that they live (see `publisher.process.heartbeat`)."""

from functools import partial

import dramatiq

from actors.context import context
from publisher.process.heartbeat import Presence
from storage.identity import read_system


class SignsOfLife(dramatiq.Middleware):
    """Signs of life from the worker's boot to its shutdown."""

    def __init__(self) -> None:
        self._presence: Presence | None = None

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Begins, in the process that works: the master only waits."""
        service = context()
        self._presence = Presence(service.redis, "worker", read_system=partial(read_system, service.database))
        self._presence.start()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Says that this process is done."""
        if self._presence is not None:
            self._presence.stop()
