"""A worker takes no message before the database schema is there."""

import os
from functools import partial

import dramatiq

from actors.context import context
from publisher.process.lifeline import master_pid
from publisher.process.schema_wait import wait_for_schema
from storage.schema.schema import pending_migrations


class SchemaWait(dramatiq.Middleware):
    """Waits for the schema before the worker boots: until it is there, every message would fail.

    A worker that is told to stop, or whose master is gone, waits no longer: it boots, and then stops as it always does.
    """

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Waits."""
        service, master = context(), master_pid()

        def pause(seconds: float) -> bool:
            return service.stopping.wait(seconds) or os.getppid() != master

        wait_for_schema(partial(pending_migrations, service.database), pause)
