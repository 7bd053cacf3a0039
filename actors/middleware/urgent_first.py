"""A worker takes urgent messages before the others that it has fetched."""

import dataclasses
from queue import PriorityQueue
from typing import Any

import dramatiq

from actors.queues import URGENT


class _UrgentFirst(PriorityQueue[Any]):
    """The fetched messages of a worker: the urgent ones first, each kind in the order in which they came."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Puts an item of Dramatiq's, whose priority is its actor's: a lower one comes first."""
        if item.message.options.get(URGENT):
            item = dataclasses.replace(item, priority=item.priority - 1)
        super().put(item, block, timeout)


class UrgentFirst(dramatiq.Middleware):
    """Gives a worker such a queue, before it starts its threads."""

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Replaces the queue, which is empty still."""
        worker.work_queue = _UrgentFirst()
