"""Exports the last spans of a worker (see `publisher.process.spans`)."""

import dramatiq

from actors.context import context


class WorkerSpans(dramatiq.Middleware):
    """Closes the spans once the worker's threads have ended."""

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Exports what is left."""
        context().telemetry.spans.close()
