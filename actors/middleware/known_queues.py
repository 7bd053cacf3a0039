"""A worker consumes only queues that exist."""

import os

import dramatiq

from publisher.domain.names import no_such

_EXIT_BAD_USAGE = 2


class KnownQueues(dramatiq.Middleware):
    """Ends a worker that was told to consume a queue which does not exist: it would wait for ever."""

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Exits with code 2 and one line if `--queues` names a queue that is no channel's."""
        known = broker.get_declared_queues()
        for name in sorted(set(worker.consumer_whitelist or ()) - known):
            # Straight to the terminal: Dramatiq's pipe to its master may be gone before it is read.
            os.write(2, f"publisher: {no_such('queue', name, known)}\n".encode())
            raise SystemExit(_EXIT_BAD_USAGE)
