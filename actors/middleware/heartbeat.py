"""Heartbeats of worker processes (see `publisher.process.heartbeat`)."""

from collections.abc import Callable
from functools import partial

import dramatiq

from actors.context import context
from publisher.process.heartbeat import Heartbeat
from storage.identity import read_system


class WorkerHeartbeat(dramatiq.Middleware):
    """Writes heartbeats from the worker's boot to its shutdown."""

    def __init__(self, read_port: Callable[[], int] | None) -> None:
        """read_port: reads the port of this worker's counters, 0 while they are not served; None: they never are."""
        self._read_port = read_port
        self._heartbeat: Heartbeat | None = None

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Starts the heartbeat in the worker process; the master process has none."""
        service = context()
        self._heartbeat = Heartbeat(
            service.redis,
            "worker",
            read_system=partial(read_system, service.database),
            read_port=self._read_port,
        )
        self._heartbeat.start()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Stops the heartbeat."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
